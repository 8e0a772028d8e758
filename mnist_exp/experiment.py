"""The story of a run: config -> data -> model -> training -> evaluation -> tracking."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mnist_exp import console, data, job_id, machine, origin, provenance, signals
from mnist_exp.config import Config, digest, flatten, from_record, to_record
from mnist_exp.errors import ExperimentError, RequestError
from mnist_exp.evaluation import Evaluation, evaluate
from mnist_exp.lookup import find
from mnist_exp.tracking import Recorder, events, journal

if TYPE_CHECKING:
    from mnist_exp.training import Fit, Task

CHECKPOINT = Path("checkpoints", "last.npz")
LOG = "log.txt"
OUTPUTS = "outputs"
DATA_TAG = "mnist_exp.data_sha256"


@dataclass(frozen=True)
class Run:
    """A run that has finished."""

    name: str
    run_id: str | None  # MLflow's; None while MLflow is out of reach
    job_dir: Path
    config: Config
    metrics: dict[str, float]  # the final ones, and those of the chosen epoch


def run(
    config: Config,
    *,
    job_dir: Path,
    choices: Mapping[str, str],
    overrides: Sequence[str],
    callbacks: Sequence[Any] = (),
) -> Run:
    """Runs one experiment and records it.

    Args:
        config: what to run.
        job_dir: the run's own folder, which exists; its name becomes the run's identity.
        choices: config group -> chosen option.
        overrides: what was typed.
        callbacks: Keras callbacks, called at epochs.

    Returns:
        The finished run.

    Raises:
        RequestError: the store or the job folder cannot be used; nothing was recorded.
        ExperimentError: the work failed; the run says so.
    """
    origin.preflight(config)
    config = origin.settled(config)
    code = provenance.code()
    identity = job_id.of(job_dir.name)
    recorder = Recorder.start(
        job_dir,
        job_id=identity,
        run_name=f"{choices['model']}-{job_id.suffix(identity)}",
        uri=config.tracking.uri,
        experiment=config.tracking.experiment,
        config=to_record(config),
        params=flatten(config),
        tags={
            **choices,
            "mnist_exp.job_id": identity,
            "mnist_exp.config_sha256": digest(config),
            **origin.code_tags(code),
        },
        description=config.description or "",
    )
    return _recorded(recorder, config, code, overrides, callbacks)


def show(run: Run) -> None:
    """Prints what a run reached to stdout."""
    where = f"run {run.run_id}" if run.run_id else f"journal in {run.job_dir}"
    console.show_result(run.name, run.metrics, where)


def resume(selector: str) -> Run:
    """Continues a run that was cut off, from its last checkpoint, in the same MLflow run.

    Args:
        selector: what names the run, or its job folder.

    Returns:
        The finished run.

    Raises:
        RequestError: there is no such run, another process works on it, or it finished.
        ExperimentError: the work failed; the run says so.
    """
    job_dir = _job_folder(selector)
    code = provenance.code()
    recorder = Recorder.resume(job_dir)
    config = from_record(recorder.started.config)
    if code.sha256 != recorder.started.tags["mnist_exp.code_sha256"]:
        console.Reporter().say(
            "The code has changed since this run began: its end may not be what it would have been."
        )
    recorder.tags(origin.code_tags(code))
    return _recorded(recorder, config, code, _typed(job_dir), ())


def _typed(job_dir: Path) -> list[str]:
    """Returns the overrides that Hydra keeps in a job folder."""
    file = job_dir / ".hydra" / "overrides.yaml"
    return list(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.exists() else []


def _job_folder(selector: str) -> Path:
    if Path(selector).is_dir():
        return Path(selector)
    record = find(selector).record
    folder = Path(OUTPUTS, record.job_id or "")
    if record.job_id is None or not folder.is_dir():
        raise RequestError(
            f"Expected the job folder of run {record.name} at {folder}. Received: no such folder. "
            "Give the command in the folder that the run was started from, or name the job folder "
            "itself: `mnist-exp resume FOLDER`."
        )
    return folder


def _recorded(
    recorder: Recorder,
    config: Config,
    code: provenance.Code,
    overrides: Sequence[str],
    callbacks: Sequence[Any],
) -> Run:
    """Tells the story into the run's log, and ends the record with what became of it."""
    log = recorder.job_dir / LOG
    outcome: events.Outcome = "failed"
    try:
        with console.log_file(log):
            try:
                origin.record(recorder, config, overrides, code)
                run = _tell(recorder, config, overrides, callbacks)
            except Exception:
                console.logger.exception("The run failed.")
                raise
            except BaseException as stop:
                outcome = "killed"
                console.logger.warning("The run was stopped (%s).", type(stop).__name__)
                raise
        outcome = "finished"
    finally:
        with signals.held("The run's record is being ended; once more stops at once."):
            _end(recorder, outcome)
    if not config.training.keep_checkpoints:
        shutil.rmtree((recorder.job_dir / CHECKPOINT).parent, ignore_errors=True)
    return replace(run, run_id=recorder.run_id)


def _end(recorder: Recorder, outcome: events.Outcome) -> None:
    try:
        recorder.artifact(LOG, lambda file: shutil.copyfile(recorder.job_dir / LOG, file))
    except ExperimentError as problem:  # a full disk; the end itself is worth more than the log
        console.Reporter().say(str(problem))
    finally:
        recorder.end(outcome)


def _tell(
    recorder: Recorder,
    config: Config,
    overrides: Sequence[str],
    callbacks: Sequence[Any],
) -> Run:
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
    fit = _fit(recorder, reporter, task, config, callbacks)
    result = evaluate(task.predict(splits.test.images), splits.test.labels)
    measured = test_metrics(result) | _choice(fit)
    recorder.metrics(measured)  # before anything else can fail: the test set is measured once
    artifacts.record_plots(recorder, config, fit.history, result, splits)
    artifacts.record_predictions(recorder, result)
    artifacts.record_models(recorder, task.twin, splits.test.images)
    recorder.tags({"mnist_exp.weights_sha256": artifacts.weights_digest(task.twin)})
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
    callbacks: Sequence[Any],
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
        reporter.epoch(epoch, task.epochs, metrics)

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


def _recorded_epochs(job_dir: Path) -> set[int]:
    entries = (entry.event for entry in journal.read(job_dir))
    return {e.step for e in entries if isinstance(e, events.Metrics) and e.step is not None}
