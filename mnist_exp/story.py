"""The story of a run: config -> data -> model -> training -> evaluation -> tracking."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp import console, data, machine
from mnist_exp.config import Config
from mnist_exp.errors import ExperimentError
from mnist_exp.evaluation import Evaluation, evaluate
from mnist_exp.tracking import Recorder, events, journal
from mnist_exp.tracking.records import DATA_TAG, WEIGHTS_TAG

if TYPE_CHECKING:
    from mnist_exp.training import Fit, Task

CHECKPOINT = Path("checkpoints", "last.npz")
VALIDATION = "val/accuracy"

Stops = Callable[[Mapping[int, float]], bool]  # epoch -> validation accuracy; whether it is enough


class Pruned(Exception):  # noqa: N818 - no error: the run lagged behind others and ends untested
    """A run that was cut off; `metrics` are those of its last epoch."""

    def __init__(self, metrics: Mapping[str, float]) -> None:
        """Keeps what was reached."""
        super().__init__()
        self.metrics = dict(metrics)


@dataclass(frozen=True)
class Run:
    """A run that has finished."""

    name: str
    run_id: str | None  # MLflow's; None while MLflow is out of reach
    job_dir: Path
    config: Config
    metrics: dict[str, float]  # the final ones, and those of the chosen epoch


def tell(
    recorder: Recorder,
    config: Config,
    overrides: Sequence[str],
    *,
    callbacks: Sequence[Any] = (),
    stops: Stops | None = None,
) -> Run:
    """Does the work of a run and records it.

    Args:
        recorder: of the run, which has begun.
        config: settled.
        overrides: what was typed.
        callbacks: Keras callbacks, called at epochs.
        stops: asked after each epoch but the last whether to cut the run off.

    Returns:
        The run, whose record still has to be ended.

    Raises:
        Pruned: it was cut off, and was not tested.
        ExperimentError: the work failed.
    """
    began = time.perf_counter()
    reporter = console.Reporter()
    reporter.say(f"{recorder.started.run_name} in {_short(recorder.job_dir)}")
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    recorder.dataset(
        name=splits.name,
        digest=splits.digest[:36],
        source=splits.source,
        sizes={name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
    )
    _check_same_data(recorder.job_dir, splits.digest)
    recorder.tags({DATA_TAG: splits.digest})
    machine.start_tensorflow(config.training.threads)
    from mnist_exp import artifacts, assembly

    task = assembly.task(config, splits)
    fit = _fit(recorder, reporter, task, config, callbacks=callbacks, stops=stops)
    result = evaluate(task.predict(splits.test.images), splits.test.labels)
    measured = test_metrics(result) | _choice(fit)
    recorder.metrics(measured)  # before anything else can fail: the test set is measured once
    artifacts.record_plots(recorder, config, fit.history, result, splits)
    artifacts.record_predictions(recorder, result)
    artifacts.record_models(recorder, task.twin, splits.test.images)
    recorder.tags({WEIGHTS_TAG: artifacts.weights_digest(task.twin)})
    costs = {
        "model/parameters": task.twin.count_params(),
        "time/fit_seconds": fit.seconds,
        "time/total_seconds": time.perf_counter() - began + fit.earlier_seconds,
    }
    recorder.metrics(costs)
    chosen = {name: values[fit.epoch - 1] for name, values in fit.history.items()}
    metrics = chosen | measured | costs
    tags = recorder.started.tags
    recorder.describe(
        artifacts.description(
            config,
            tags=tags,
            metrics=metrics,
            epoch=fit.epoch,
            splits=splits,
            overrides=overrides,
        )
    )
    return Run(recorder.started.run_name, recorder.run_id, recorder.job_dir, config, metrics)


def _choice(fit: "Fit") -> dict[str, float]:
    """Returns which epoch's weights were kept, and what they reached on validation."""
    chosen = {"chosen/epoch": float(fit.epoch)}
    if "val/accuracy" in fit.history:
        chosen["chosen/val_accuracy"] = fit.history["val/accuracy"][fit.epoch - 1]
    return chosen


def _fit(
    recorder: Recorder,
    reporter: console.Reporter,
    task: "Task",
    config: Config,
    *,
    callbacks: Sequence[Any],
    stops: Stops | None,
) -> "Fit":
    from mnist_exp import training

    reporter.say(
        f"{task.twin.count_params():,} parameters, {len(task.train):,} images, "
        f"{config.training.precision}, {config.training.threads} threads"
    )
    recorded = _recorded_epochs(recorder.job_dir)

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        # An epoch whose checkpoint was lost in a crash runs again, to the same values.
        if epoch not in recorded:
            recorder.metrics(metrics, step=epoch)
            recorded[epoch] = metrics.get(VALIDATION, math.nan)
        reporter.epoch(epoch, task.epochs, metrics)
        if stops is not None and epoch < task.epochs and stops(recorded):
            raise Pruned(metrics)

    with reporter.live():
        return training.fit(
            task,
            checkpoint_file=recorder.job_dir / CHECKPOINT,
            best_weights=config.training.best_weights,
            early_stopping_patience=config.training.early_stopping_patience,
            callbacks=callbacks,
            on_progress=reporter.progress,
            on_epoch=on_epoch,
        )


def test_metrics(result: Evaluation) -> dict[str, float]:
    """Returns what a run records of its test images."""
    return {
        "test/accuracy": result.accuracy,
        "test/accuracy_low": result.accuracy_low,
        "test/accuracy_high": result.accuracy_high,
        "test/loss": result.loss,
        "test/errors": result.errors,
        "test/ece": result.ece,
    }


def _short(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _check_same_data(job_dir: Path, digest: str) -> None:
    """Refuses to go on with other data than a run began with."""
    entries = (entry.event for entry in journal.read(job_dir))
    before = [
        e.values[DATA_TAG] for e in entries if isinstance(e, events.Tags) and DATA_TAG in e.values
    ]
    if before and before[0] != digest:
        raise ExperimentError(
            f"Expected the data that this run began with, SHA-256 {before[0]}. Received: other "
            f"data, {digest}. Put the first back, or start anew with `mnist-exp train`."
        )


def _recorded_epochs(job_dir: Path) -> dict[int, float]:
    """Returns the epochs that the journal has -> their validation accuracy."""
    entries = (entry.event for entry in journal.read(job_dir))
    return {
        e.step: e.values.get(VALIDATION, math.nan)
        for e in entries
        if isinstance(e, events.Metrics) and e.step is not None
    }
