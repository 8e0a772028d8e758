"""One network trained: its epochs are recorded as they end, and told to a person.

What comes of it is a `Trained`, as an ensemble is too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp import data
from mnist_exp.config.fields import ACCURACY
from mnist_exp.config.schema import Config
from mnist_exp.core import hardware, signals
from mnist_exp.core.text import counted
from mnist_exp.evaluation.names import (
    CHOSEN_EPOCH,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
    VALIDATION,
    chosen,
)
from mnist_exp.runs import console
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.recorder import Recorder

if TYPE_CHECKING:
    import keras

    from mnist_exp.models.networks import PredictLogits
    from mnist_exp.training.checkpoint import Loaded
    from mnist_exp.training.loop import Fit, Task

CHECKPOINT = Path("checkpoints", "last.npz")

# Epoch -> objective of a search; whether it is enough.
Stops = Callable[[Mapping[int, float]], bool]


class Pruned(Exception):  # noqa: N818 - no error: the run lagged behind others and ends untested
    """A run that was cut off; `metrics` are those of its last epoch."""

    def __init__(self, metrics: Mapping[str, float]) -> None:
        """Keeps what was reached."""
        super().__init__()
        self.metrics = dict(metrics)


@dataclass(frozen=True)
class Trained:
    """A network that is ready to be measured, and how it came about."""

    network: "keras.Model"  # in float32: images -> logits
    predict: "PredictLogits"  # of the network
    words: str  # what it is, for the page of the run
    choice: Mapping[str, float]  # metrics of the weights that were chosen, to be recorded
    reached: Mapping[str, float]  # others of theirs, which are on record
    history: Mapping[str, Sequence[float]]  # metric -> a value an epoch; empty for an ensemble
    seconds: float  # of fit, all parts and all networks added up
    earlier_seconds: float  # what of them was before this process


def train(
    recorder: Recorder,
    config: Config,
    splits: data.Splits,
    reporter: console.Reporter,
    *,
    callbacks: Sequence[Any] = (),
    stops: Stops | None = None,
) -> Trained:
    """Trains one network, and records its epochs.

    Args:
        recorder: of the run.
        config: settled.
        splits: the data.
        reporter: tells a person of it.
        callbacks: Keras callbacks, called at epochs.
        stops: asked after each epoch but the last whether to cut the run off.

    Returns:
        The network, with the weights of the chosen epoch.

    Raises:
        Pruned: it was cut off.
    """
    from mnist_exp.training import build

    task = build.task(config, splits)
    fit = _fit(recorder, reporter, task, config, callbacks=callbacks, stops=stops)
    return Trained(
        network=task.original,
        predict=task.predict,
        words=f"weights of epoch {fit.epoch}",
        choice=_choice(fit, [ACCURACY, *config.metrics]),
        reached={name: values[fit.epoch - 1] for name, values in fit.history.items()},
        history=fit.history,
        seconds=fit.seconds,
        earlier_seconds=fit.earlier_seconds,
    )


def _choice(fit: "Fit", names: Sequence[str]) -> dict[str, float]:
    """Returns which epoch's weights were kept, and what they reached on validation."""
    histories = {chosen(name): fit.history.get(f"{VALIDATION}{name}") for name in names}
    reached = {name: values[fit.epoch - 1] for name, values in histories.items() if values}
    return {CHOSEN_EPOCH: float(fit.epoch), **reached}


def _fit(
    recorder: Recorder,
    reporter: console.Reporter,
    task: "Task",
    config: Config,
    *,
    callbacks: Sequence[Any],
    stops: Stops | None,
) -> "Fit":
    import tensorflow as tf

    from mnist_exp.training import loop

    reporter.say(
        f"{task.original.count_params():,} parameters, {len(task.train):,} images, "
        f"{config.training.precision}, {counted(config.training.threads or 1, 'thread')}"
    )
    if hardware.is_imitated(config.training.precision, config.training.device):
        reporter.say(
            f"Warning: {config.training.precision} is imitated here, where convolutions "
            "are faster in float32, which is what training.precision=auto comes to."
        )
    if task.steps * task.epochs == 1 and not float(task.schedule(tf.constant(0.0))):
        reporter.say(
            "Warning: nothing is learned in the only step, at the learning rate of 0 that the "
            "schedule begins with. Take a smaller training.batch_size, or more epochs."
        )
    objective = f"{VALIDATION}{config.objective}"
    epochs = state_of(recorder.job_dir).epochs
    recorded = {epoch: values.get(objective, math.nan) for epoch, values in epochs.items()}

    def record(epoch: int, metrics: Mapping[str, float]) -> None:
        # An epoch whose checkpoint was lost in a crash runs again, to the same values.
        if epoch not in recorded:
            recorder.metrics(_told_first(metrics), step=epoch)
            recorded[epoch] = metrics.get(objective, math.nan)

    def on_load(loaded: "Loaded") -> None:
        if loaded.damage:
            reporter.say(loaded.damage)
        # What damage took from the journal, the checkpoint has too.
        for epoch, metrics in loaded.epochs.items():
            record(epoch, metrics)

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        record(epoch, metrics)
        signals.raise_swallowed()
        reporter.epoch(epoch, task.epochs, metrics)
        if stops is not None and epoch < task.epochs and stops(recorded):
            raise Pruned(metrics)

    with reporter.live():
        return loop.fit(
            task,
            checkpoint_file=recorder.job_dir / CHECKPOINT,
            best_weights=config.training.best_weights,
            early_stopping_patience=config.training.early_stopping_patience,
            callbacks=callbacks,
            on_load=on_load,
            on_progress=reporter.progress,
            on_epoch=on_epoch,
        )


def _told_first(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns metrics with those in front that MLflow shows first, in its order of recording."""
    first = (VAL_ACCURACY, TRAIN_ACCURACY, VAL_LOSS, TRAIN_LOSS)
    return {name: metrics[name] for name in dict.fromkeys((*first, *metrics)) if name in metrics}
