"""Model and images in, trained weights and history out.

An epoch is a few graph calls of about a second each over images that stay in memory: between two
calls Python reports progress and serves signals. Order, augmentation and dropout depend on (seed,
epoch, step) alone, and a checkpoint after each epoch holds the rest, so a resumed training equals
an uninterrupted one bit for bit on the same machine, versions and threads.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnist_exp.core.digits import CLASSES
from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.tensorflow_memory import Gradients
from mnist_exp.data import Split
from mnist_exp.evaluation.metrics import Score, evaluate
from mnist_exp.evaluation.names import (
    IMAGES_PER_SECOND,
    LEARNING_RATE,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
    VALIDATION,
)
from mnist_exp.models.networks import PredictLogits
from mnist_exp.training import checkpoint
from mnist_exp.training.augmentations import Mixing
from mnist_exp.training.checkpoint import Loaded, State
from mnist_exp.training.losses import Loss
from mnist_exp.training.schedules import Schedule

CHUNK_SECONDS = 1.0
FIRST_CHUNK_STEPS = 8  # the first call also traces, so it says little about speed

# One stream of random numbers for each use, so that no two uses share numbers.
_ORDER, _AUGMENTATION, _DROPOUT = range(3)

Metrics = dict[str, float]
RunSteps = Callable[..., tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Progress:
    """How far an epoch has come; `loss` and `accuracy` are over its images so far."""

    epoch: int  # 1 for the first
    epochs: int
    images: int  # done in this epoch
    epoch_images: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float  # of all epochs, validation left out


@dataclass(frozen=True)
class Fit:
    """What a training gave; the chosen weights are in the float32 original."""

    history: dict[str, list[float]]  # metric -> one value an epoch
    seconds: float  # wall time, the parts of a resumed run added up
    earlier_seconds: float  # what of them was before this process
    epoch: int  # whose weights were chosen, 1 for the first


@dataclass(frozen=True)
class Task:
    """What is trained: two models that share their shape, and how a step changes the first."""

    network: keras.Model  # float [batch, 28, 28, 1] -> logits [batch, 10], in any precision
    original: keras.Model  # the same in float32: holds the weights that evaluation uses
    predict: PredictLogits  # of the original
    optimizer: Any  # fresh, at its peak learning rate
    schedule: Schedule
    augment: Mixing
    plain_fraction: float  # of all steps, the last: without augmentation
    train: Split
    validation: Split  # may be empty
    seed: int  # of order, augmentation and dropout
    epochs: int
    batch_size: int  # the last step of an epoch takes what is left
    loss: Loss
    scores: Mapping[str, Score]  # more that is measured on validation, by name
    weight_averaging: float | None  # the decay, by step, of a moving average of all weights

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(len(self.train.images) / self.batch_size)


def fit(
    task: Task,
    *,
    checkpoint_file: Path,
    best_weights: bool,
    early_stopping_patience: int | None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_load: Callable[[Loaded], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[int, Metrics], None] = lambda _, __: None,
) -> Fit:
    """Trains a network, from its checkpoint where there is one.

    Args:
        task: what to train.
        checkpoint_file: where the state is kept after each epoch.
        best_weights: whether to choose the epoch with the best validation accuracy, not the last.
        early_stopping_patience: stop after so many epochs without a better one; None never stops.
        callbacks: Keras callbacks, called at the start and the end of training and of each epoch,
            with Keras's names of the metrics. Their model is the original, whose `stop_training`
            counts.
        on_load: called with what there is of an earlier part, before the training goes on.
        on_progress: called about once a second.
        on_epoch: called after each epoch with its number, 1 for the first, and its metrics.

    Returns:
        The history, and which epoch was chosen.
    """
    task.optimizer.build(task.network.trainable_variables)
    gradients = Gradients()
    # It takes the peak learning rate, which a checkpoint would overwrite.
    run_steps = gradients.noted()(_graph(task))
    loaded = checkpoint.load(checkpoint_file)
    on_load(loaded)
    if loaded.damage:  # or the next save would put it in the place of the one that is whole
        checkpoint_file.unlink()
    state = loaded.state or State()
    if state.epoch:
        task.network.set_weights(state.weights)
        task.original.set_weights(state.evaluation_weights)
        for variable, value in zip(task.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
    keras_calls = keras.callbacks.CallbackList(
        list(callbacks), model=task.original, epochs=task.epochs, steps=task.steps, verbose=0
    )
    task.original.stop_training = False
    weights = task.original.get_weights() if callbacks else []
    keras_calls.on_train_begin()
    earlier_seconds = state.seconds
    began = time.perf_counter() - earlier_seconds
    patience = early_stopping_patience or task.epochs
    try:
        while state.epoch < task.epochs and not task.original.stop_training:
            if state.epoch - state.best_epoch >= patience:
                break
            keras_calls.on_epoch_begin(state.epoch)
            _require_unchanged(task.original, weights)
            metrics = _epoch(task, run_steps, state.epoch, on_progress)
            _advance(task, state, metrics)
            state.seconds = time.perf_counter() - began
            on_epoch(state.epoch, metrics)
            checkpoint.save(checkpoint_file, state)
            weights = state.evaluation_weights if callbacks else []
            keras_calls.on_epoch_end(state.epoch - 1, _keras_names(metrics))
            _require_unchanged(task.original, weights)
    finally:
        gradients.drop()
    keras_calls.on_train_end()
    _require_unchanged(task.original, weights)
    epoch, weights = state.chosen(best=best_weights)
    task.original.set_weights(weights)
    return Fit(state.history, state.seconds, earlier_seconds, epoch)


def _require_unchanged(original: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Refuses a callback that has set weights: training has its own, and would go on with them.

    Args:
        original: the callbacks' model.
        weights: that it had before they were called; none where there are no callbacks.

    Raises:
        ExperimentError: one has.
    """
    now = original.get_weights() if weights else []
    if any(a.tobytes() != b.tobytes() for a, b in zip(now, weights, strict=True)):
        raise ExperimentError(
            "Expected callbacks that leave the weights alone. Received: one that set them, which "
            "no resumed or repeated run would have. What changes training is a component: see "
            "mnist_exp.extend."
        )


def _graph(task: Task) -> RunSteps:
    """Returns the steps `first` to `last` of an epoch as one graph call.

    The call takes the order of the images int32 [N], the steps done before this epoch, and the
    range of steps; it gives each step's sum of losses, float32, and number of right answers,
    int32. They are added up outside, so that no sum depends on how an epoch is cut into calls.
    """
    network, optimizer, batch_size = task.network, task.optimizer, task.batch_size
    images, labels = tf.constant(task.train.images), tf.constant(task.train.labels)
    peak = float(optimizer.learning_rate.numpy())
    total_steps = task.steps * task.epochs
    augmentation_seed = tf.constant(_seed_words(task.seed, _AUGMENTATION, 2), tf.int32)
    seeds = _seeds(network)
    dropout_words = _seed_words(task.seed, _DROPOUT, len(seeds))

    def changed(
        pixels: tf.Tensor, targets: tf.Tensor, number: tf.Tensor, done: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def augment() -> tuple[tf.Tensor, tf.Tensor]:
            seed = tf.random.experimental.stateless_fold_in(augmentation_seed, number)
            return task.augment(pixels, targets, seed)

        if not task.plain_fraction:
            return augment()
        both: tuple[tf.Tensor, tf.Tensor] = tf.cond(
            done < 1 - task.plain_fraction, augment, lambda: (pixels, targets)
        )
        return both

    def step(chosen: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        done = tf.cast(number, tf.float32) / total_steps
        optimizer.learning_rate.assign(peak * task.schedule(done))
        for seed, word in zip(seeds, dropout_words, strict=True):
            seed.assign(tf.cast(tf.stack([word, number]), seed.dtype))
        pixels = tf.cast(tf.gather(images, chosen), tf.float32)[..., None]
        digits = tf.cast(tf.gather(labels, chosen), tf.int32)
        pixels, targets = changed(pixels, tf.one_hot(digits, CLASSES), number, done)
        with tf.GradientTape() as tape:
            logits = network(pixels / 255, training=True)
            losses = tf.cast(task.loss(targets, tf.cast(logits, tf.float32)), tf.float32)
            penalties = [tf.cast(penalty, tf.float32) for penalty in network.losses]
            loss = optimizer.scale_loss(tf.add_n([tf.reduce_mean(losses), *penalties]))
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        if task.weight_averaging is not None:
            _average(network, task.original, task.weight_averaging, tf.cast(number, tf.float32))
        right = tf.argmax(logits, axis=1, output_type=tf.int32) == digits
        return tf.reduce_sum(losses), tf.math.count_nonzero(right, dtype=tf.int32)

    def run_steps(
        order: tf.Tensor, before: tf.Tensor, first: tf.Tensor, last: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def body(
            number: tf.Tensor, losses: tf.TensorArray, rights: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
            chosen = order[number * batch_size : (number + 1) * batch_size]
            loss, right = step(chosen, before + number)
            at = number - first
            return number + 1, losses.write(at, loss), rights.write(at, right)

        sums = [tf.TensorArray(dtype, size=last - first) for dtype in (tf.float32, tf.int32)]
        _, losses, rights = tf.while_loop(lambda number, *_: number < last, body, (first, *sums))
        return losses.stack(), rights.stack()

    # AutoGraph would take half a second to rewrite a loop that is written as a graph already.
    graph: RunSteps = tf.function(run_steps, autograph=False)
    return graph


def _seeds(network: keras.Model) -> list[keras.Variable]:
    """Returns the states of all generators of random numbers, those in layers of layers too."""
    weights = set(map(id, network.weights))
    # Keras: the variables of a layer are its weights and the states of its generators.
    states = {id(state): state for state in network.variables if id(state) not in weights}
    return list(states.values())


def _average(network: keras.Model, original: keras.Model, decay: float, step: tf.Tensor) -> None:
    """Moves the original's weights, those of batch norm too, towards the network's.

    The decay grows to its value over the first steps, as that of TensorFlow's own
    `tf.train.ExponentialMovingAverage` does, so that the first weights are soon forgotten.
    """
    decay_now = tf.minimum(decay, (1 + step) / (10 + step))
    for average, weight in zip(original.weights, network.weights, strict=True):
        average.assign(decay_now * average + (1 - decay_now) * weight)


def _epoch(
    task: Task,
    run_steps: RunSteps,
    epoch: int,
    on_progress: Callable[[Progress], None],
) -> Metrics:
    total = len(task.train.images)
    order = tf.constant(_order(task.seed, epoch, total))
    before = tf.constant(epoch * task.steps)
    losses, rights = np.zeros(task.steps, np.float64), np.zeros(task.steps, np.int64)
    done, images, chunk = 0, 0, FIRST_CHUNK_STEPS
    began = time.perf_counter()
    while done < task.steps:
        upto, started = min(done + chunk, task.steps), time.perf_counter()
        result = run_steps(order, before, tf.constant(done), tf.constant(upto))
        losses[done:upto], rights[done:upto] = (values.numpy() for values in result)
        seconds = time.perf_counter() - started
        chunk = max(1, round((upto - done) * CHUNK_SECONDS / seconds))
        rate = (min(upto * task.batch_size, total) - images) / seconds
        done, images = upto, min(upto * task.batch_size, total)
        on_progress(
            Progress(
                epoch=epoch + 1,
                epochs=task.epochs,
                images=images,
                epoch_images=total,
                loss=float(losses.sum()) / images,
                accuracy=float(rights.sum()) / images,
                images_per_second=rate,
                seconds_left=((task.epochs - epoch) * total - images) / rate,
            )
        )
    return {
        TRAIN_LOSS: float(losses.sum()) / total,
        TRAIN_ACCURACY: float(rights.sum()) / total,
        LEARNING_RATE: float(task.optimizer.learning_rate.numpy()),
        IMAGES_PER_SECOND: total / (time.perf_counter() - began),
    }


def _advance(task: Task, state: State, metrics: Metrics) -> None:
    """Takes the epoch that has just run into the state, with its validation."""
    state.epoch += 1
    state.weights = task.network.get_weights()
    state.optimizer = [variable.numpy() for variable in task.optimizer.variables]
    if task.weight_averaging is None:
        task.original.set_weights(state.weights)
    state.evaluation_weights = task.original.get_weights()
    if len(task.validation.images):
        result = evaluate(task.predict(task.validation.images), task.validation.labels)
        metrics |= {VAL_LOSS: result.loss, VAL_ACCURACY: result.accuracy}
        metrics |= result.scores(VALIDATION, task.scores)
        if _is_better(metrics, state):
            state.best_epoch, state.best_weights = state.epoch, state.evaluation_weights
    for name, value in metrics.items():
        state.history.setdefault(name, []).append(value)


def _is_better(metrics: Metrics, state: State) -> bool:
    """Whether an epoch beats the best so far: by validation accuracy, then by validation loss."""
    if not state.best_epoch:
        return True
    best = state.best_epoch - 1
    accuracy, loss = state.history[VAL_ACCURACY][best], state.history[VAL_LOSS][best]
    return (metrics[VAL_ACCURACY], -metrics[VAL_LOSS]) > (accuracy, -loss)


def _order(seed: int, epoch: int, images: int) -> np.ndarray:
    """Returns the images of an epoch in random order, int32 [images].

    From the raw output of the bit generator: NumPy keeps it the same in every version, which it
    does not promise for a permutation.
    """
    bits = np.random.PCG64(np.random.SeedSequence([seed, _ORDER, epoch]))
    return np.argsort(bits.random_raw(images), kind="stable").astype(np.int32)


def _seed_words(seed: int, stream: int, count: int) -> list[int]:
    """Draws `count` words of 31 bits for one use of the seed."""
    words = np.random.SeedSequence([seed, stream]).generate_state(max(count, 1))
    return [int(word >> 1) for word in words[:count]]


def _keras_names(metrics: Metrics) -> Metrics:
    return {name.replace("train/", "").replace("val/", "val_"): v for name, v in metrics.items()}
