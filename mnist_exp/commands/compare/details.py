"""What the page shows beside the table: curves, recall, confusions, images that divide the configs.

Numbers only; `figures` and `pictures` draw them. What cannot be read is replaced by the reason.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_exp import data
from mnist_exp.commands.compare.comparison import ComparedConfig, Comparison
from mnist_exp.commands.compare.groups import differing
from mnist_exp.core.digits import CLASSES
from mnist_exp.core.errors import ExperimentError
from mnist_exp.evaluation.metrics import count_confusion
from mnist_exp.evaluation.names import TRAIN_ACCURACY, TRAIN_LOSS, VAL_ACCURACY, VAL_LOSS
from mnist_exp.runs.recorded_config import local_values
from mnist_exp.tracking.mlflow.attempt import Attempt, first_line
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.read.evidence import Evidence, Predictions

SHOWN = 8  # configs; more colours than that look alike
MOST_IMAGES = 40
NONE = -1  # in the place of a digit, where as many seeds of a config say another
METRICS = (TRAIN_LOSS, VAL_LOSS, TRAIN_ACCURACY, VAL_ACCURACY)

_ABSURD = 1e30  # no loss and no accuracy; scales cannot hold more


class Curve(NamedTuple):
    """One metric of a config over the epochs, by the seeds that reached them."""

    epochs: NDArray[np.int64]  # int64 [E], rising, from 1
    mean: NDArray[np.float64]  # float64 [E]
    low: NDArray[np.float64]  # float64 [E], the least of the seeds
    high: NDArray[np.float64]  # float64 [E], the greatest
    seeds: NDArray[np.int64]  # int64 [E], how many reached it with a finite value


class Recall(NamedTuple):
    """How much of each digit a config recognises; NaN for a digit that no image shows."""

    mean: NDArray[np.float64]  # float64 [10], 0-1
    low: NDArray[np.float64]  # float64 [10], of the worst seed
    high: NDArray[np.float64]  # float64 [10], of the best seed


class Image(NamedTuple):
    """A test image that not all take for the same."""

    number: int  # in the test set, from 0
    label: int  # what it shows
    digits: tuple[int, ...]  # what each voter takes it for, or NONE
    pixels: NDArray[np.uint8] | None  # uint8 [28, 28], 0-255, ink bright; None where out of reach


@dataclass(frozen=True)
class Disagreement:
    """The images on which voters disagree: configs by most of their seeds, or seeds of only one."""

    voters: tuple[str, ...]  # "seed 0" ...; empty where configs vote
    images: tuple[Image, ...]  # those that divide them most
    total: int  # images on which not all agree
    missing: str  # why there are no pixels; empty where there are


@dataclass(frozen=True)
class Details:
    """What is known of the first configs of a comparison."""

    rows: tuple[ComparedConfig, ...]
    curves: Mapping[str, Sequence[Curve | None]]  # metric -> of each row; what none has is left out
    curves_missing: str  # why there are no curves; empty where they could be read
    recall: tuple[Recall, ...]  # of each row
    confusion: NDArray[np.float64]  # [rows, 10, 10]: mean counts, true digit by prediction
    disagreement: Disagreement
    differences: Mapping[str, Sequence[str | None]]  # dotted key -> value of each row


def details(comparison: Comparison, store: Store) -> Details:
    """Collects the details of the first configs.

    Args:
        comparison: with at least one row.
        store: of the runs.
    """
    rows = comparison.rows[:SHOWN]
    groups = [row.group for row in rows]
    counts = [
        [count_confusion(p.labels, p.digits, classes=CLASSES) for p in _of_seeds(row, comparison)]
        for row in rows
    ]
    with Attempt() as attempt:
        curves = _curves(rows, store)
    problem = attempt.problem
    return Details(
        rows=rows,
        curves=curves if problem is None else {},
        curves_missing="" if problem is None else first_line(problem),
        recall=tuple(map(_recall, counts)),
        confusion=np.stack([np.mean(seeds, axis=0) for seeds in counts]),
        disagreement=_disagreement(rows, comparison, store),
        differences={
            key: [found.settings.get(key) for found in groups] for key in differing(groups)
        },
    )


def _of_seeds(row: ComparedConfig, comparison: Comparison) -> list[Predictions]:
    return [comparison.predictions[run.run_id] for run in row.group.runs]


def _curves(rows: Sequence[ComparedConfig], store: Store) -> dict[str, list[Curve | None]]:
    found = {
        metric: [
            curve([store.history(run.run_id, metric) for run in row.group.runs]) for row in rows
        ]
        for metric in METRICS
    }
    return {metric: curves for metric, curves in found.items() if any(curves)}


def curve(histories: Sequence[Mapping[int, float]]) -> Curve | None:
    """Puts the histories of some seeds together.

    Args:
        histories: epoch -> value, of each seed; what is not finite is left out.

    Returns:
        The curve; None where there is no value at all.
    """
    values: dict[int, list[float]] = {}
    for history in histories:
        for epoch, value in history.items():
            if epoch > 0 and abs(value) < _ABSURD:  # false for NaN too
                values.setdefault(epoch, []).append(value)
    if not values:
        return None
    by_epoch = [values[epoch] for epoch in sorted(values)]
    return Curve(
        epochs=np.array(sorted(values)),
        mean=np.array([math.fsum(some) / len(some) for some in by_epoch]),
        low=np.array(list(map(min, by_epoch))),
        high=np.array(list(map(max, by_epoch))),
        seeds=np.array(list(map(len, by_epoch))),
    )


def _recall(counts: Sequence[NDArray[np.int64]]) -> Recall:
    hits = np.stack([confusion.diagonal() for confusion in counts]).astype(np.float64)
    images = counts[0].sum(axis=1)  # the same of every seed
    shares = np.full(hits.shape, np.nan)
    np.divide(hits, images, out=shares, where=images > 0)
    return Recall(shares.mean(axis=0), shares.min(axis=0), shares.max(axis=0))


def _disagreement(
    rows: Sequence[ComparedConfig], comparison: Comparison, store: Store
) -> Disagreement:
    """Finds the images that divide the configs; of a single config, its seeds."""
    seeds = rows[0].group.seeds[:SHOWN] if len(rows) == 1 else ()
    if seeds:
        votes = [majority([one]) for one in _of_seeds(rows[0], comparison)[:SHOWN]]
    else:
        votes = [majority(_of_seeds(row, comparison)) for row in rows]
    digits = np.stack([digit for digit, _ in votes])
    order = dividing(digits, np.stack([share for _, share in votes]))
    pixels, missing = None, ""
    if len(order):
        with Attempt() as attempt:
            pixels = _test_images(comparison, store)
        if attempt.problem is not None:
            missing = first_line(attempt.problem)
    labels = next(iter(comparison.predictions.values())).labels
    images = tuple(
        Image(
            number=int(index),
            label=int(labels[index]),
            digits=tuple(map(int, digits[:, index])),
            pixels=None if pixels is None else pixels[index],
        )
        for index in order[:MOST_IMAGES]
    )
    return Disagreement(tuple(f"seed {seed}" for seed in seeds), images, len(order), missing)


def majority(seeds: Sequence[Predictions]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns what most seeds take each image for, and how many of them do.

    Returns:
        int64 [N], 0-9, or NONE where as many say another; float64 [N], 0-1, 0 of NONE.
    """
    votes = np.zeros((len(seeds[0].labels), CLASSES), np.uint16)
    images = np.arange(len(votes))
    for one in seeds:
        votes[images, one.digits] += 1
    digits, most = votes.argmax(axis=1), votes.max(axis=1)
    clear = (votes == most[:, None]).sum(axis=1) == 1
    return np.where(clear, digits, NONE), np.where(clear, most / len(seeds), 0)


def dividing(digits: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the images on which voters differ, those with most pairs of different votes first.

    Of images with as many, those come first of which the voters are surer: most of their seeds say
    the same, so it is the configs that differ and not the seeds.

    Args:
        digits: [voters, N], 0-9, or NONE of those that have no vote.
        shares: [voters, N], 0-1, of their seeds that say so.

    Returns:
        int64 [images], indices.
    """
    counts = np.stack([(digits == digit).sum(axis=0) for digit in range(CLASSES)])
    pairs = (counts.sum(axis=0) ** 2 - (counts**2).sum(axis=0)) // 2
    order = np.lexsort((-shares.sum(axis=0).round(9), -pairs))  # stable: the first image first
    return order[: int((pairs > 0).sum())]


def _test_images(comparison: Comparison, store: Store) -> NDArray[np.uint8]:
    """Loads what the first run was tested on, uint8 [N, 28, 28].

    Raises:
        Exception: it is not to be had here, or it is something else.
    """
    run = comparison.rows[0].group.runs[0]
    options = local_values(Evidence(run, store.uri), ())["data"]
    if "mirrors" in options:
        options["mirrors"] = ()  # a comparison downloads nothing
    test = data.load_whole(**options).test
    if not np.array_equal(test.labels, comparison.predictions[run.run_id].labels):
        raise ExperimentError("the images here are not those that the runs were tested on.")
    return test.images
