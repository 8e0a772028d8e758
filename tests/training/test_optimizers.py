"""Every registered optimizer and schedule, by the same few tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.models import architectures
from mnist_exp.training import optimizers


def rates(name: str, **changes: float) -> np.ndarray:
    """The factors of a schedule over 1,000 steps."""
    options = compose([f"schedule={name}"]).config.schedule.options() | changes
    done = tf.constant(np.arange(1000) / 1000, tf.float32)
    return components.named("schedule")[name].function(**options)(done).numpy()


@pytest.mark.parametrize("name", components.named("optimizer"))
def test_an_optimizer_goes_downhill(name):
    options = compose([f"optimizer={name}"]).config.optimizer.options()
    optimizer = components.named("optimizer")[name].function(**{**options, "learning_rate": 0.01})
    variable = keras.Variable([1.0, -2.0])
    optimizer.build([variable])
    for _ in range(100):
        optimizer.apply([2 * variable.value], [variable])
    assert np.abs(variable.numpy()).sum() < 3


def test_muon_moves_kernels_alike_in_all_directions_and_the_rest_as_adam_does():
    network = architectures.cnn(
        filters=[8],
        kernel_sizes=[3],
        pool_sizes=None,
        dense_units=[16],
        activation="relu",
        dropout=0.0,
        batch_norm=False,
    )
    optimizer = optimizers.muon(learning_rate=0.01, momentum=0.95, weight_decay=0.0)
    optimizer.build(network.trainable_variables)
    before = network.get_weights()
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=weight.shape).astype(np.float32) for weight in before]
    optimizer.apply([tf.constant(gradient) for gradient in gradients])
    changes = [new - old for new, old in zip(network.get_weights(), before, strict=True)]
    names = ["/".join(weight.path.split("/")[-2:]) for weight in network.trainable_variables]
    for name, change in zip(names, changes, strict=True):
        if change.ndim == 1 or name == "logits/kernel":
            np.testing.assert_allclose(np.abs(change), 0.01, rtol=1e-3)
            continue
        matrix = change.reshape(-1, change.shape[-1])
        scales = np.linalg.svd(matrix, compute_uv=False) / (0.01 * 0.2 * max(matrix.shape) ** 0.5)
        assert scales.min() > 0.6, name
        assert scales.max() < 1.3, name
    assert sum(change.ndim == 4 for change in changes) == 1


@pytest.mark.parametrize("name", components.named("schedule"))
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
