"""Two results of the same experiment: identical, not distinguishable, or different."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from mnist_exp.commands.reproduce.inputs import Input
from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.statistics import LEVEL, mcnemar_test
from mnist_exp.core.text import without_password
from mnist_exp.evaluation.names import IMAGES_PER_SECOND, SWEPT
from mnist_exp.tracking.journal.staging import FOLDER
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.mlflow.store import Store, answering, as_stored
from mnist_exp.tracking.names import WEIGHTS_TAG
from mnist_exp.tracking.read.evidence import PREDICTIONS, Evidence, Predictions, parse_predictions
from mnist_exp.tracking.records import RunRecord

# What takes its time, what was measured later, and what only the sweep of a job chose.
NO_RESULTS = ("time/", "evaluate/", SWEPT)


Point = tuple[str, int]  # metric, step


class Verdict(Enum):
    """What is said of a rerun; the value is the exit code."""

    IDENTICAL = 0
    NOT_DISTINGUISHABLE = 3
    DIFFERENT = 4

    @property
    def words(self) -> str:
        """The name as text."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    weights_sha256: str
    metrics: Mapping[Point, float]  # all but times and rates
    predictions: Predictions


@dataclass(frozen=True)
class Comparison:
    """How two results differ."""

    same_weights: bool
    differing: tuple[Point, ...]  # metrics, those of early epochs first
    metrics: int  # how many there are
    only_first: int  # images that only the first run recognised
    only_second: int
    images: int
    p: float  # exact McNemar test
    verdict: Verdict


def recorded_result(evidence: Evidence, store: Store) -> Result:
    """Returns the result of a run that has finished.

    Args:
        evidence: of the run.
        store: of the run.

    Raises:
        EvidenceError: its predictions are missing or altered.
        RequestError: the store does not answer.
    """
    run = evidence.run
    with answering(store.uri):
        metrics = {
            (name, step): value
            for name in run.metrics
            if _is_result(name)
            for step, value in store.history(run.run_id, name).items()
        }
    return Result(run.tags.get(WEIGHTS_TAG, ""), metrics, evidence.predictions)


def new_result(job_dir: Path, run: RunRecord | None, uri: str) -> Result:
    """Returns the result of a run that has just finished.

    Args:
        job_dir: of the run.
        run: as MLflow has it; None where MLflow is out of reach.
        uri: of its store.

    Raises:
        ExperimentError: MLflow has taken the predictions, and does not give them back.
    """
    state = state_of(job_dir)
    weights = state.tags.get(WEIGHTS_TAG, "")
    metrics = {
        (name, step): as_stored(value)
        for step, values in {**state.epochs, 0: state.final}.items()
        for name, value in values.items()
        if _is_result(name)
    }
    staged = job_dir / FOLDER / PREDICTIONS
    if staged.is_file():  # MLflow does not have it yet
        return Result(weights, metrics, parse_predictions(staged.read_bytes()))
    if run is None:
        raise ExperimentError(
            f"Expected MLflow to answer at {without_password(uri)}. The rerun has finished, in "
            f"{job_dir}, but its predictions are in MLflow alone. Give the "
            "command again when it answers."
        )
    return Result(weights, metrics, Evidence(run, uri).predictions)


def compare(first: Result, second: Result) -> Comparison:
    """Compares the result of a run with that of its rerun.

    Returns:
        Identical when the weights and every metric of the first are; else what an exact McNemar
        test of the predictions says. Metrics that later code added decide nothing.
    """
    points = first.metrics.keys()
    differing = tuple(
        sorted(
            (point for point in points if not _equal(first.metrics, second.metrics, point)),
            key=lambda point: (point[1] or math.inf, point[0]),
        )
    )
    same_weights = bool(first.weights_sha256) and first.weights_sha256 == second.weights_sha256
    one, other = first.predictions, second.predictions
    same_images = np.array_equal(one.labels, other.labels)
    only_first = one.alone(other) if same_images else 0
    only_second = other.alone(one) if same_images else 0
    p = mcnemar_test(only_first, only_second) if same_images else 0.0
    if same_weights and not differing and np.array_equal(one.digits, other.digits):
        verdict = Verdict.IDENTICAL
    else:
        verdict = Verdict.NOT_DISTINGUISHABLE if p >= LEVEL else Verdict.DIFFERENT
    return Comparison(
        same_weights,
        differing,
        len(points),
        only_first,
        only_second,
        len(other.labels),
        p,
        verdict,
    )


def explanation(inputs: Iterable[Input]) -> str:
    """Returns a sentence on what can explain a difference."""
    found = [entry.explanation for entry in inputs if entry.differs]
    if found:
        return f"What differs and can explain it: {', '.join(found)}."
    unknown = [entry.name for entry in inputs if entry.decides and entry.same is None]
    if unknown:
        return f"Nothing that was recorded explains it; not recorded: {', '.join(unknown)}."
    return "Nothing that was recorded explains it."


def _is_result(name: str) -> bool:
    return name != IMAGES_PER_SECOND and not name.startswith(NO_RESULTS)


def _equal(first: Mapping[Point, float], second: Mapping[Point, float], point: Point) -> bool:
    if point not in first or point not in second:
        return False
    one, other = first[point], second[point]
    return one == other or (math.isnan(one) and math.isnan(other))
