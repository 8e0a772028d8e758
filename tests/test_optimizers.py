"""Every registered optimizer and schedule, by the same few tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_exp import optimizers
from mnist_exp.config import compose


def rates(name: str, **changes: float) -> np.ndarray:
    """The factors of a schedule over 1,000 steps."""
    options = compose([f"schedule={name}"]).config.schedule.options() | changes
    done = tf.constant(np.arange(1000) / 1000, tf.float32)
    return optimizers.SCHEDULES[name](**options)(done).numpy()


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_an_optimizer_goes_downhill(name):
    options = compose([f"optimizer={name}"]).config.optimizer.options()
    optimizer = optimizers.OPTIMIZERS[name](**{**options, "learning_rate": 0.01})
    variable = keras.Variable([1.0, -2.0])
    optimizer.build([variable])
    for _ in range(100):
        optimizer.apply([2 * variable.value], [variable])
    assert np.abs(variable.numpy()).sum() < 3


@pytest.mark.parametrize("name", optimizers.SCHEDULES)
def test_a_schedule_stays_between_0_and_its_peak_of_1(name):
    factors = rates(name)
    assert factors.shape == (1000,)
    assert factors.min() >= 0
    assert factors.max() == pytest.approx(1, abs=1e-3)
    assert rates(name).tobytes() == factors.tobytes()


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_a_schedule_rises_then_falls_to_its_last_factor(name):
    factors = rates(name, warmup_fraction=0.25, final_fraction=0.1)
    assert factors.argmax() == pytest.approx(250, abs=1)
    assert (np.diff(factors[:250]) > 0).all()
    assert (np.diff(factors[251:]) < 0).all()
    assert factors[-1] == pytest.approx(0.1, abs=1e-3)


def test_where_a_schedule_starts():
    assert rates("cosine", warmup_fraction=0.25)[0] == 0
    assert rates("cosine", warmup_fraction=0.0)[0] == 1
    assert rates("one_cycle", initial_fraction=0.04)[0] == pytest.approx(0.04)
    assert (rates("constant") == 1).all()
