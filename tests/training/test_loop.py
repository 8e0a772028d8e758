"""Training on real digits: it learns, it repeats, it resumes, it stops when told to."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from mnist_exp import data
from mnist_exp.config.compose import compose
from mnist_exp.core.errors import ExperimentError
from mnist_exp.evaluation.metrics import evaluate
from mnist_exp.models import layers, networks
from mnist_exp.training import build, checkpoint, loop

SMALL = [
    "data=digits",
    "optimizer.learning_rate=0.01",
    "training.epochs=3",
    "training.batch_size=64",
    "training.precision=float32",
]
CNN = ("model.filters=[4,8]", "model.dense_units=[16]", "model.batch_norm=true")
MLP = ("model=mlp", "model.hidden_units=[16]")


@pytest.fixture(scope="module")
def splits():
    return data.load("digits", seed=0, validation_images=200, train_images=None)


def task(splits, *overrides, model=CNN, **changes) -> loop.Task:
    """A small network on the 1,242 training digits, 20 steps an epoch."""
    config = compose([*SMALL, *model, *overrides]).config
    return dataclasses.replace(build.task(config, splits), **changes)


def fit(made, folder, **changes) -> loop.Fit:
    settings = {"best_weights": False, "early_stopping_patience": None} | changes
    return loop.fit(made, checkpoint_file=folder / "checkpoint.npz", **settings)


def weights(made) -> bytes:
    return b"".join(weight.tobytes() for weight in made.original.get_weights())


def without_times(history):
    return {name: values for name, values in history.items() if name != "images_per_second"}


# Every option, in as few trainings as can hold it; what changes images takes the smaller model.
VARIANTS = {
    "float16": (CNN, ["training.precision=float16"]),
    "bfloat16, averaged and smoothed": (
        CNN,
        ["training.precision=bfloat16", "training.weight_averaging=0.9", "loss=smoothed"],
    ),
    "sgd on affine": (MLP, ["optimizer=sgd", "schedule=one_cycle", "augmentation=affine"]),
    "adamw on elastic": (MLP, ["optimizer=adamw", "schedule=constant", "augmentation=elastic"]),
    "muon on struck": (CNN, ["optimizer=muon", "schedule=one_cycle", "augmentation=struck"]),
    "mixup, focal": (MLP, ["augmentation=mixup", "loss=focal"]),
    "cutmix, plain at last": (MLP, ["augmentation=cutmix", "training.plain_fraction=0.4"]),
    "shift, plain at last": (MLP, ["augmentation=shift", "training.plain_fraction=0.4"]),
}
# Another of each has the same kind of state: slots, seeds of images, steps without augmentation.
LATER = ("adamw on elastic", "mixup, focal", "shift, plain at last")
LONG = pytest.mark.long("a training with every option, cut and resumed")


class StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=LONG) if name in LATER else name for name in VARIANTS]
)
def test_a_resumed_training_equals_an_uninterrupted_one(variant, splits, tmp_path, monkeypatch):
    whole_folder, cut_folder = tmp_path / "whole", tmp_path / "cut"
    model, overrides = VARIANTS[variant]
    whole = task(splits, *overrides, model=model)
    expected = fit(whole, whole_folder)

    def stop(epoch, _):
        if epoch == 3:
            raise StopError

    # Cut into other calls too: neither the cut nor the resumption may show.
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.001)
    with pytest.raises(StopError):
        fit(task(splits, *overrides, model=model), cut_folder, on_epoch=stop)
    assert checkpoint.load(cut_folder / "checkpoint.npz").state.epoch == 2
    resumed = task(splits, *overrides, model=model)
    received = fit(resumed, cut_folder)
    assert weights(resumed) == weights(whole)
    assert without_times(received.history) == without_times(expected.history)
    assert expected.history["train/loss"][-1] < expected.history["train/loss"][0]


def test_damaged_checkpoints_cost_epochs_and_change_nothing(splits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.001)
    whole, file = task(splits), tmp_path / "cut" / "checkpoint.npz"
    expected = fit(whole, tmp_path / "whole")
    found = []

    def note(loaded):
        found.append((len(loaded.epochs), loaded.damage))

    def stop(epoch, _):
        if epoch == 3:
            raise StopError

    for _ in range(2):  # the second time what was damaged has not displaced what was whole
        with pytest.raises(StopError):
            fit(task(splits), tmp_path / "cut", on_epoch=stop, on_load=note)
        file.write_bytes(file.read_bytes()[:1000])
    resumed = task(splits)
    received = fit(resumed, tmp_path / "cut", on_load=note)
    assert [epochs for epochs, _ in found] == [0, 1, 1]
    assert ["checkpoint.npz" in damage for _, damage in found] == [False, True, True]
    assert weights(resumed) == weights(whole)
    assert without_times(received.history) == without_times(expected.history)


def test_the_seed_changes_the_order(splits, tmp_path):
    one, other = task(splits, model=MLP), task(splits, model=MLP, seed=1)
    fit(one, tmp_path / "one")
    fit(other, tmp_path / "other")
    assert weights(one) != weights(other)


def test_seed_0_is_a_seed_of_its_own(splits):
    zero, one = (task(splits, f"seed={seed}") for seed in (0, 1))
    assert (zero.seed, one.seed) == (0, 1)
    assert weights(zero) != weights(one)
    assert (loop._order(0, 0, 100) != loop._order(1, 0, 100)).any()
    assert loop._seed_words(0, 1, 3) != loop._seed_words(1, 1, 3)


def test_an_epoch_is_a_few_calls(splits, tmp_path, monkeypatch):
    """The first measures how long a step takes, the next have as many as fit into a second."""
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 1e9)
    seen = []
    fit(task(splits, model=MLP, epochs=2), tmp_path, on_progress=seen.append)
    first, every = loop.FIRST_CHUNK_STEPS * 64, len(splits.train)
    assert first < every
    assert [(p.epoch, p.images) for p in seen] == [(1, first), (1, every), (2, first), (2, every)]


def test_every_image_counts_in_every_epoch(splits, tmp_path):
    seen = []
    made = task(splits, batch_size=500, epochs=2)
    fit(made, tmp_path, on_progress=seen.append)
    assert made.steps == 3
    assert [(p.epoch, p.images) for p in seen if p.images == p.epoch_images] == [
        (1, len(splits.train)),
        (2, len(splits.train)),
    ]
    assert seen[-1].seconds_left == 0
    assert all(0 <= p.accuracy <= 1 and p.loss > 0 for p in seen)


def test_an_epoch_is_told_as_it_was(splits, tmp_path):
    still = ["optimizer=sgd", "optimizer.learning_rate=1e-30", "schedule=constant"]
    plain = ["model.batch_norm=false", "model.dropout=0", "augmentation=none"]
    made = task(splits, *still, *plain, "training.epochs=1")
    fitted = fit(made, tmp_path)
    whole = evaluate(made.predict(splits.train.images), splits.train.labels)
    [accuracy], [loss] = fitted.history["train/accuracy"], fitted.history["train/loss"]
    assert accuracy == whole.accuracy > 0
    assert loss == pytest.approx(whole.loss, rel=1e-4)
    [rate] = fitted.history["images_per_second"]
    assert 0.9 * len(splits.train) < rate * fitted.seconds < 4 * len(splits.train)


def test_a_step_has_the_rate_of_the_steps_before_it(splits, tmp_path):
    made = task(splits, "schedule=cosine", epochs=2)
    rates = fit(made, tmp_path).history["learning_rate"]
    before = tf.constant([made.steps - 1, 2 * made.steps - 1], tf.float32)  # an epoch's last step
    assert rates == pytest.approx(0.01 * made.schedule(before / (2 * made.steps)).numpy(), rel=1e-4)


def test_of_equal_accuracies_the_lower_loss_is_better():
    state = checkpoint.State(epoch=2, best_epoch=1)
    state.history = {"val/accuracy": [0.9, 0.8], "val/loss": [0.5, 0.1]}
    cases = (
        (0.9, 0.4, True),
        (0.9, 0.5, False),
        (0.9, 0.6, False),
        (0.91, 9, True),
        (0.89, 0, False),
    )
    for accuracy, loss, better in cases:
        metrics = {"val/accuracy": accuracy, "val/loss": loss}
        assert loop._is_better(metrics, state) is better


def test_seeds_fill_31_bits():
    words = loop._seed_words(7, 1, 1000)
    assert len(set(words)) == 1000
    assert 0 <= min(words) < 2**24
    assert 2**30 < max(words) < 2**31


def test_keras_callbacks_are_called_at_epochs_with_keras_names(splits, tmp_path):
    calls = []
    spy = keras.callbacks.LambdaCallback(
        on_train_begin=lambda _: calls.append("begin"),
        on_epoch_begin=lambda epoch, _: calls.append(epoch),
        on_epoch_end=lambda epoch, logs: calls.append((epoch, sorted(logs))),
        on_train_end=lambda _: calls.append("end"),
    )
    names = ["accuracy", "images_per_second", "learning_rate", "loss", "val_accuracy", "val_loss"]
    fit(task(splits, epochs=2), tmp_path, callbacks=[spy])
    assert calls == ["begin", 0, (0, names), 1, (1, names), "end"]


def test_a_keras_callback_can_stop_the_training(splits, tmp_path):
    made = task(splits)

    def stop(_epoch, _logs):
        made.original.stop_training = True

    stopper = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    assert fit(made, tmp_path, callbacks=[stopper]).epoch == 1


def test_best_weights_and_early_stopping_follow_validation(splits, tmp_path):
    made = task(splits, "optimizer.learning_rate=0.3", "schedule=constant", epochs=12)
    result = fit(made, tmp_path, best_weights=True, early_stopping_patience=2)
    accuracy, loss = result.history["val/accuracy"], result.history["val/loss"]
    ranked = sorted(range(len(accuracy)), key=lambda i: (-accuracy[i], loss[i]))
    assert result.epoch == ranked[0] + 1
    assert len(accuracy) == result.epoch + 2 < 12
    predicted = made.predict(splits.validation.images).argmax(axis=1)
    assert (predicted == splits.validation.labels).mean() == accuracy[result.epoch - 1]


def test_without_validation_the_last_weights_are_chosen(splits, tmp_path):
    empty = data.Split(splits.validation.images[:0], splits.validation.labels[:0])
    result = fit(task(splits, validation=empty, epochs=2), tmp_path)
    assert result.epoch == 2
    assert set(result.history) == {
        "train/loss",
        "train/accuracy",
        "learning_rate",
        "images_per_second",
    }


def test_averaged_weights_are_the_ones_that_are_judged(splits, tmp_path):
    made = task(splits, weight_averaging=0.9, epochs=2)
    result = fit(made, tmp_path)
    state = checkpoint.load(tmp_path / "checkpoint.npz").state
    assert any((a != b).any() for a, b in zip(state.weights, state.evaluation_weights, strict=True))
    for a, b in zip(state.evaluation_weights, made.original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    predicted = made.predict(splits.validation.images).argmax(axis=1)
    accuracy = (predicted == splits.validation.labels).mean()
    assert accuracy == result.history["val/accuracy"][-1]


def test_the_last_steps_see_the_images_as_they_are(splits, tmp_path):
    histories = [
        without_times(fit(task(splits, *overrides, model=MLP), tmp_path / str(number)).history)
        for number, overrides in enumerate(
            (
                ["augmentation=shift"],
                ["augmentation=shift", "training.plain_fraction=0.5"],  # from the middle of epoch 2
                ["augmentation=shift", "training.plain_fraction=1"],
                ["augmentation=none"],
            )
        )
    ]
    changed, half, plain, none = (history["train/loss"] for history in histories)
    assert plain == none
    assert half[0] == changed[0] != none[0]
    assert half[2] < changed[2]


def test_the_average_follows_tensorflows_own(splits):
    made = task(splits, weight_averaging=0.9)
    theirs = tf.train.ExponentialMovingAverage(0.9, num_updates=tf.Variable(0))
    shadow = tf.Variable(made.original.weights[0].value)
    theirs.apply([shadow])
    for step in range(30):
        made.network.weights[0].assign_add(tf.ones_like(shadow))
        shadow.assign(made.network.weights[0].value)
        theirs._num_updates.assign(step)
        theirs.apply([shadow])
        loop._average(made.network, made.original, 0.9, tf.constant(float(step)))
    np.testing.assert_allclose(
        made.original.weights[0].numpy(), theirs.average(shadow).numpy(), rtol=1e-5
    )


class Block(keras.layers.Layer):
    """Layers in a layer, two of them random."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = keras.Sequential([keras.layers.Dropout(0.3), keras.layers.GaussianNoise(0.1)])

    def call(self, inputs, training=None):
        return self.inner(inputs, training=training)


def own(splits, hidden) -> loop.Task:
    """A task whose network has a hidden layer of the test's own."""
    keras.utils.set_random_seed(0)
    image = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(image)
    network = keras.Model(image, keras.layers.Dense(10)(hidden(x)))
    return task(
        splits,
        network=layers.copy(network, "float32"),
        original=network,
        predict=networks.predictor(network),
        optimizer=keras.optimizers.Adam(0.001),
    )


def test_random_layers_in_layers_repeat_and_go_on(splits, tmp_path):
    def stop(epoch, _):
        if epoch == 2:
            raise StopError

    made = [own(splits, Block()) for _ in range(3)]
    for number in (0, 1):
        fit(made[number], tmp_path / str(number))
    assert weights(made[0]) == weights(made[1])
    with pytest.raises(StopError):
        fit(made[2], tmp_path / "cut", on_epoch=stop)
    resumed = own(splits, Block())
    fit(resumed, tmp_path / "cut")
    assert weights(resumed) == weights(made[0])


@pytest.mark.parametrize(
    "penalised",
    [
        lambda strength: keras.layers.Dense(8, kernel_regularizer=keras.regularizers.L2(strength)),
        lambda strength: keras.layers.Dense(
            8, activity_regularizer=keras.regularizers.L2(strength)
        ),
    ],
    ids=["of weights", "of activities"],
)
def test_what_layers_add_to_the_loss_is_learnt_from(penalised, splits, tmp_path):
    made = [own(splits, penalised(strength)) for strength in (0.0, 10.0)]
    fitted = [fit(each, tmp_path / str(number)) for number, each in enumerate(made)]
    pixels = splits.validation.images[..., None] / 255
    outputs = [keras.Model(m.original.input, m.original.layers[2].output)(pixels) for m in made]
    free, held = (np.abs(output).mean() for output in outputs)
    assert held < 0.7 * free
    # The loss that is told is that of the labels, which validation has too.
    assert all(each.history["train/loss"][0] < 5 for each in fitted)


def test_float16_trains_by_scaled_losses(splits, tmp_path):
    made = task(splits, "training.precision=float16", "training.epochs=12", model=MLP)
    assert isinstance(made.optimizer, keras.optimizers.LossScaleOptimizer)
    assert made.network.layers[-1].compute_dtype == "float16"
    fitted = fit(made, tmp_path)
    assert fitted.history["val/accuracy"][-1] > 0.8


@pytest.mark.parametrize("hook", ["train_begin", "epoch_begin", "epoch_end", "train_end"])
def test_a_callback_that_sets_weights_ends_the_training(splits, tmp_path, hook):
    made = task(splits, "training.epochs=1", model=MLP)

    class Setting(keras.callbacks.Callback):
        pass

    def zero(self, *_: object) -> None:
        self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    setattr(Setting, f"on_{hook}", zero)
    with pytest.raises(ExperimentError, match="callbacks that leave the weights alone"):
        fit(made, tmp_path, callbacks=[Setting()])


def test_a_metric_that_fails_is_named(splits, tmp_path):
    def failing(probabilities, labels):
        raise ValueError("one class")

    made = task(splits, model=MLP, scores={"auc": failing})
    with pytest.raises(ExperimentError, match=r"the metric auc for 200 images.*one class"):
        fit(made, tmp_path)


def test_tensorflow_keeps_nothing_of_a_training(splits, tmp_path):
    registry = ops.gradient_registry._registry
    before = set(registry)
    fit(task(splits, "optimizer=adam", "training.epochs=1", model=MLP), tmp_path)
    assert set(registry) == before
