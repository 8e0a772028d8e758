"""One run: config -> data -> model -> training -> evaluation -> tracking.

How a network comes about is told by `fit`, or by `ensemble`; here it is measured and recorded.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_exp import data
from mnist_exp.config import components
from mnist_exp.config.schema import Config
from mnist_exp.core import hardware, signals, tensorflow_setup
from mnist_exp.core.errors import ExperimentError
from mnist_exp.data import plausibility
from mnist_exp.evaluation import selective
from mnist_exp.evaluation.metrics import Evaluation, evaluate
from mnist_exp.evaluation.names import (
    FIT_SECONDS,
    PARAMETERS,
    TEST,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
    TEST_ECE,
    TEST_ERRORS,
    TEST_LOSS,
    TOTAL_SECONDS,
)
from mnist_exp.runs import console, figures
from mnist_exp.runs.fit import Trained
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.names import DATA_TAG, DATA_WARNINGS_TAG, ENSEMBLE_TAG, WEIGHTS_TAG
from mnist_exp.tracking.recorder import Recorder


@dataclass(frozen=True)
class Run:
    """A run that has finished, or was pruned."""

    name: str
    run_id: str | None  # MLflow's; None while MLflow is out of reach
    job_dir: Path
    config: Config
    metrics: dict[str, float]  # the final ones, and those of the chosen epoch


Train = Callable[[data.Splits, console.Reporter], Trained]


def execute(recorder: Recorder, config: Config, overrides: Sequence[str], train: Train) -> Run:
    """Does the work of a run and records it.

    Args:
        recorder: of the run, which has begun.
        config: settled.
        overrides: what was typed.
        train: makes the network, when TensorFlow has been started.

    Returns:
        The run, whose record still has to be ended.

    Raises:
        Pruned: it was cut off, and was not tested.
        ExperimentError: the work failed.
    """
    began = time.perf_counter()
    reporter = console.Reporter()
    reporter.say(f"{recorder.started.run_name} in {_short(recorder.job_dir)}")
    if config.tracking.plots:
        figures.prepare()
    with tensorflow_setup.tensorflow_beside():
        splits = _data(recorder, config, reporter)
    hardware.start_tensorflow(config.training.threads, config.training.device)
    from mnist_exp.runs import artifacts

    trained = train(splits, reporter)
    signals.raise_swallowed()
    measured = _measure(recorder, config, trained, splits)
    costs = {
        PARAMETERS: trained.network.count_params(),
        FIT_SECONDS: trained.seconds,
        TOTAL_SECONDS: time.perf_counter() - began + trained.earlier_seconds,
    }
    recorder.metrics(costs)
    metrics = {**trained.reached, **measured, **costs}
    tags = recorder.started.tags
    recorder.describe(
        artifacts.description(
            config,
            tags=tags,
            metrics=metrics,
            network=trained.words,
            splits=splits,
            overrides=overrides,
        )
    )
    return Run(recorder.started.run_name, recorder.run_id, recorder.job_dir, config, metrics)


def _data(recorder: Recorder, config: Config, reporter: console.Reporter) -> data.Splits:
    """Loads the data; records which they are, and tells what is odd about them."""
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    _check_same_data(recorder.job_dir, splits.digest)
    recorder.dataset(
        name=splits.name,
        digest=splits.digest[:36],
        source=splits.source,
        sizes={name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
    )
    recorder.tags({DATA_TAG: splits.digest})
    warnings = plausibility.warnings(splits)
    if warnings:
        recorder.tags({DATA_WARNINGS_TAG: " ".join(warnings)})
    if ENSEMBLE_TAG not in recorder.started.tags:  # a member has the data of its ensemble
        for warning in warnings:
            reporter.say(f"Warning: {warning}")
    return splits


def _measure(
    recorder: Recorder, config: Config, trained: Trained, splits: data.Splits
) -> dict[str, float]:
    """Tests a network, and records what came of it, and itself."""
    from mnist_exp.runs import artifacts

    result = evaluate(trained.predict(splits.test.images), splits.test.labels)
    selection = _selection(trained, splits.validation)
    measured = {**test_metrics(result), **trained.choice, **selection}
    recorder.metrics(measured)  # before anything else can fail: the test set is measured once
    scores = result.scores(TEST, components.scores(config.metrics))
    recorder.metrics(scores)
    measured |= scores
    drawn = artifacts.begin_plots(config, trained.history, result, splits)
    artifacts.record_predictions(recorder, result)
    artifacts.record_models(
        recorder,
        trained.network,
        splits.test.images,
        threshold=selection.get(selective.THRESHOLD),
    )
    recorder.tags({WEIGHTS_TAG: artifacts.weights_digest(trained.network)})
    if drawn is not None:
        artifacts.record_plots(recorder, drawn)
    return measured


def _selection(trained: Trained, validation: data.Split) -> dict[str, float]:
    """Returns what is recorded of when the network should answer; nothing without images."""
    if not len(validation):
        return {}
    result = evaluate(trained.predict(validation.images), validation.labels)
    return selective.select(result.probabilities, result.labels).metrics()


def test_metrics(result: Evaluation) -> dict[str, float]:
    """Returns what a run records of its test images."""
    return {
        TEST_ACCURACY: result.accuracy,
        TEST_ACCURACY_LOW: result.accuracy_low,
        TEST_ACCURACY_HIGH: result.accuracy_high,
        TEST_LOSS: result.loss,
        TEST_ERRORS: result.errors,
        TEST_ECE: result.ece,
    }


def _short(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _check_same_data(job_dir: Path, digest: str) -> None:
    """Refuses to go on with other data than a run began with."""
    before = state_of(job_dir).told.get(DATA_TAG)
    if before and before[0] != digest:
        raise ExperimentError(
            f"Expected the data that this run began with, SHA-256 {before[0]}. Received: other "
            f"data, {digest}. Put the first back, or start anew with `mnist-exp train`."
        )
