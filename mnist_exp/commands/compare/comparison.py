"""Runs in, a comparison out: configs with their intervals, the best validation first."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mnist_exp.commands.compare.groups import METRICS, Group, group, shown
from mnist_exp.commands.compare.selection import Choice
from mnist_exp.commands.compare.significance import (
    BY_SEEDS,
    Finding,
    Looks,
    findings,
    looks_in_words,
)
from mnist_exp.core.statistics import Summary, summarize, usual
from mnist_exp.core.text import picked
from mnist_exp.evaluation.names import FIT_SECONDS, PARAMETERS, TEST
from mnist_exp.tracking.names import CODE_TAG, VALIDATION_IMAGES
from mnist_exp.tracking.read.evidence import Predictions
from mnist_exp.tracking.read.experiment import least

RANKED = "Ranked by validation accuracy, less what few images leave open"
FEWER_BEHIND = ", with those of fewer seeds than most behind the others"
TWO_SEEDS = (
    "An interval of two seeds is 12.7 times as wide as they lie apart (t of 1 degree of freedom); "
    "a third seed narrows it to about a quarter."
)
UNRANKED = "No run has validation images, so none is the best; "
CHOOSES_NOTHING = "test accuracy is shown and chooses nothing."
INTERVALS = (
    " Intervals: 95 %, over seeds (Student's t) or, of a single run or seeds that agree, over the "
    "images (Wilson)."
)
TESTS = (
    " Each config is tested against the first: two runs, or the one seed that groups share, by the "
    "images that one of them alone recognises (exact McNemar test), which tells of these networks "
    "and these images, not of the configs; groups by the seeds that they share (paired t test), "
    "to which the difference belongs; p is corrected for the number of tests (Holm)."
)
_TWO = 2


@dataclass(frozen=True)
class ComparedConfig:
    """One config, its seeds together."""

    group: Group
    place: int | None  # by validation, from 1; None without validation images
    validation: Summary | None
    test: Summary
    fit_seconds: float | None  # median over seeds
    parameters: int | None
    finding: Finding | None  # against the first row; None for that itself


@dataclass(frozen=True)
class Comparison:
    """Configs, the best validation first."""

    rows: tuple[ComparedConfig, ...]
    columns: Mapping[str, Sequence[str]]  # what sets them apart -> value of each row
    metrics: tuple[str, ...]  # that configs ask for beside accuracy, of the test images
    data: str  # name of the data set
    images: int  # in the test set
    notes: tuple[str, ...]  # footnotes
    left_out: tuple[str, ...]  # what could not be compared, and why
    predictions: Mapping[str, Predictions]  # run id -> of the test images


def compare(choice: Choice, looks: Looks) -> Comparison:
    """Compares runs that were chosen.

    Args:
        choice: the runs.
        looks: how often groups are tested.
    """
    unordered = group(choice.runs)
    validations = {id(one): _validation(one) for one in unordered}
    # As in the ranking of the sweep itself: where anything is compared, seeds differ by intent.
    most_have = usual(len(one.runs) for one in unordered) if choice.swept else 0

    def rank(one: Group) -> tuple[bool, float, float]:
        validation = validations[id(one)]
        if validation is None:
            return True, math.inf, math.inf
        images = int(one.settings[VALIDATION_IMAGES])
        few = len(one.runs) < most_have
        return few, -least(validation.mean, images), -validation.mean

    groups = sorted(unordered, key=rank)
    places = [rank(one) for one in groups]
    images = len(next(iter(choice.predictions.values())).labels)
    rows = [
        ComparedConfig(
            group=one,
            place=None if validations[id(one)] is None else 1 + places.index(rank(one)),
            validation=validations[id(one)],
            test=summarize(
                [float(choice.predictions[run.run_id].correct.mean()) for run in one.runs], images
            ),
            fit_seconds=_median(one, FIT_SECONDS),
            parameters=_parameters(one),
            finding=finding,
        )
        for one, finding in zip(groups, findings(groups, choice.predictions, looks), strict=True)
    ]
    return Comparison(
        rows=tuple(rows),
        columns=shown(groups),
        metrics=tuple(_metrics(groups)),
        data=choice.runs[0].params.get("data.name", ""),
        images=images,
        notes=tuple(_notes(rows, choice, looks)),
        left_out=tuple(choice.left_out),
        predictions=choice.predictions,
    )


def _metrics(groups: Sequence[Group]) -> Iterator[str]:
    """Yields the names of the metrics of the test images that configs ask for, each once."""
    asked: set[str] = set()
    runs = [run for one in groups for run in one.runs]
    for run in runs:
        try:
            names = json.loads(run.params.get(METRICS, "[]"))
        except (ValueError, RecursionError):  # anybody may have written it
            continue
        asked.update(map(str, names) if isinstance(names, list) else ())
    measured = {name for run in runs for name in run.metrics}
    yield from sorted({f"{TEST}{name}" for name in asked} & measured)


def _validation(one: Group) -> Summary | None:
    """Returns validation accuracy over the seeds; None where a run has none."""
    known = [run.validation_accuracy for run in one.runs]
    values = [value for value in known if value is not None and math.isfinite(value)]
    images = one.settings.get(VALIDATION_IMAGES, "")
    if len(values) < len(known) or not images.isdecimal() or not int(images):
        return None
    return summarize(values, int(images))


def _median(one: Group, name: str) -> float | None:
    values = [run.metrics[name] for run in one.runs if name in run.metrics]
    return median(values) if values else None


def _parameters(one: Group) -> int | None:
    value = one.runs[0].metrics.get(PARAMETERS, math.nan)
    return int(value) if math.isfinite(value) else None


def _notes(rows: Sequence[ComparedConfig], choice: Choice, looks: Looks) -> list[str]:
    places = [row.place for row in rows if row.place is not None]
    counts = {len(row.group.runs) for row in rows}
    fewer = FEWER_BEHIND if choice.swept and len(counts) > 1 else ""
    order = f"{RANKED}{fewer}; " if places else UNRANKED
    first = "that was named first" if choice.named else "with the newest run"
    best = picked(len(places), places.count(1), first)
    notes = [f"{order}{CHOOSES_NOTHING}{best}{INTERVALS}"]
    if len(rows) > 1:
        notes[0] += TESTS
    if any(row.finding and row.finding.method == BY_SEEDS for row in rows):
        next_seed = 1 + max(seed for row in rows for seed in row.group.seeds)
        notes.append(looks_in_words(looks, next_seed))
    of_two = [row for row in rows if len(row.group.runs) == _TWO]
    if any(one and one.deviation for row in of_two for one in (row.validation, row.test)):
        notes.append(TWO_SEEDS)
    mixed = [
        row.group.name
        for row in rows
        if len({run.tags.get(CODE_TAG) for run in row.group.runs}) > 1
    ]
    if mixed:
        notes.append(f"Seeds run by different versions of the code: {', '.join(mixed[:3])}.")
    repeated = len(choice.runs) - sum(len(row.group.runs) for row in rows)
    if repeated:
        runs = "1 run repeats" if repeated == 1 else f"{repeated} runs repeat"
        notes.append(
            f"{runs} what another did, with the same seed, threads and code; one of each counts."
        )
    return notes
