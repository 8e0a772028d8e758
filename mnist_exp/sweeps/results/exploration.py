"""What a sweep explored, in numbers: the values tried, the way to the best, which key mattered.

Computed here, drawn in `figures`. The objective alone is looked at.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_exp.sweeps.results.ranking import (
    RankedConfig,
    ranking,
    settings,
    varying_keys,
)
from mnist_exp.sweeps.results.result import JobResult

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

# With fewer, a picture shows no more than the ranking: which of two is better, and no trend.
FEWEST_DRAWN = 3
# For importance: of ten, the interval of every key that matters goes from 0 to 1.
FEWEST_CONFIGS = 16
_FEWEST_KEYS = 2
_MOST_CONFIGS, _TREES = 100, 100  # what fANOVA takes two seconds for


class Dimension(NamedTuple):
    """What the configs have under one key."""

    key: str
    texts: tuple[str, ...]  # as typed, one per config
    numbers: tuple[float, ...] | None  # the same as numbers; None where they are not all numbers
    log: bool  # whether the numbers are spread evenly on a logarithmic scale


class Step(NamedTuple):
    """A moment of a sweep at which the last seed of a config had finished."""

    seconds: float  # since the sweep began, without the time in which no job ran
    epochs: int  # trained until then, by all jobs together
    value: float  # of the objective, mean over the config's seeds
    least: float  # of its seeds
    greatest: float
    best: float  # of this config and those before


class Share(NamedTuple):
    """How much of what the keys explain one by one a key explains, 0-1."""

    mean: float
    low: float  # 95 % interval, over resampled configs
    high: float


def measured(results: Iterable[JobResult]) -> list[RankedConfig]:
    """Returns the finished configs that have a value of the objective, the best first."""
    return [row for row in ranking(results) if row.outcome == "finished" and row.values]


def comparable(results: Iterable[JobResult]) -> bool:
    """Says whether configs are enough for a picture, and not all equally good."""
    rows = measured(results)
    return len(rows) >= FEWEST_DRAWN and len({row.mean for row in rows}) > 1


def dimensions(results: Sequence[JobResult]) -> list[Dimension]:
    """Returns what the measured configs have under each key in which they differ.

    A key that a config does not set is looked up in its whole config; one that some config lacks
    there too is left out.

    Returns:
        The keys in order of appearance; in each, the configs in the order of `measured`.
    """
    rows = measured(results)
    overrides = [row.overrides for row in rows]
    whole = {result.number: result.params for result in results}
    table = {
        key: [settings(row.overrides).get(key, whole[row.jobs[0]].get(key, "")) for row in rows]
        for key in varying_keys(overrides)
    }
    return [
        _dimension(key, texts) for key, texts in table.items() if all(texts) and len(set(texts)) > 1
    ]


def _dimension(key: str, texts: Sequence[str]) -> Dimension:
    numbers = _numbers(texts)
    log = numbers is not None and _spread_is_logarithmic(numbers)
    return Dimension(key, tuple(texts), numbers, log)


def _numbers(texts: Iterable[str]) -> tuple[float, ...] | None:
    try:
        numbers = tuple(map(float, texts))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _spread_is_logarithmic(numbers: Iterable[float]) -> bool:
    """Says whether the numbers lie more evenly on a logarithmic scale than on a linear one.

    It tells 16, 32, 64, 128 from 0.1, 0.2, 0.3, which no span in decades does.
    """
    distinct = sorted(set(numbers))
    if len(distinct) <= 1 or distinct[0] <= 0:
        return False
    return _unevenness([math.log(number) for number in distinct]) < _unevenness(distinct) - 1e-9


def _unevenness(ascending: Sequence[float]) -> float:
    """Returns how far numbers lie from steps of equal size, on average, their range being 1."""
    low, span, last = ascending[0], ascending[-1] - ascending[0], len(ascending) - 1
    gaps = (abs((number - low) / span - step / last) for step, number in enumerate(ascending))
    return math.fsum(gaps) / len(ascending)


def steps(results: Sequence[JobResult]) -> list[Step]:
    """Returns how the best value rose, one step per measured config."""
    by_number = {result.number: result for result in results}
    ends = [
        (max(by_number[number].end_time for number in row.jobs), row) for row in measured(results)
    ]
    stretches, finished = _busy_stretches(results), sorted(results, key=lambda job: job.end_time)
    epochs = list(accumulate(_epochs(job) for job in finished))
    end_times = [job.end_time for job in finished]
    best = -math.inf
    found = []
    for end, row in sorted(ends, key=lambda item: item[0]):
        best = max(best, row.mean)
        trained = epochs[bisect_right(end_times, end) - 1]
        seconds, seeds = _seconds_until(stretches, end), row.values
        found.append(Step(seconds, trained, row.mean, min(seeds), max(seeds), best))
    return found


def _epochs(job: JobResult) -> int:
    """Returns the epochs that a job trained; of jobs of former commands, those that it was to."""
    return len(job.epochs) or int(job.params.get("training.epochs", 0))


def _busy_stretches(results: Iterable[JobResult]) -> list[tuple[int, int, int]]:
    """Returns when at least one job ran: start, end, and how long jobs had run before, in ms."""
    stretches: list[tuple[int, int, int]] = []
    # Of a job that was resumed, the pause is no part.
    times = sorted((job.end_time - round(1000 * job.seconds), job.end_time) for job in results)
    for start, end in times:
        if stretches and start <= stretches[-1][1]:
            first, last, before = stretches.pop()
            stretches.append((first, max(last, end), before))
        else:
            first, last, before = stretches[-1] if stretches else (0, 0, 0)
            stretches.append((start, end, before + last - first))
    return stretches


def _seconds_until(stretches: Sequence[tuple[int, int, int]], moment: int) -> float:
    """Returns for how long jobs ran until a moment, in unix milliseconds, in which one ran."""
    start, _, before = stretches[bisect_right(stretches, moment, key=lambda item: item[0]) - 1]
    return (before + moment - start) / 1000


def importance(results: Sequence[JobResult]) -> dict[str, Share]:
    """Returns each key's share of the variance that the keys explain one by one: Optuna's fANOVA.

    The variance is that of the configs' objective; what keys do together is left out.
    Each tree of fANOVA's forest learns from configs that were drawn with replacement, as in a
    bootstrap, so the middle 95 % of the trees are an interval: rather too wide than too narrow,
    since one tree varies more than a forest.

    Optuna's default, PED-ANOVA, looks at what sets the best tenth apart, which is two configs of a
    grid of 24; there it ranked keys by chance where fANOVA found the right ones.

    Returns:
        Key -> share, the largest first, together 1; empty where there are fewer than
        `FEWEST_CONFIGS` measured configs, no difference to explain, or fewer than two keys that
        vary: one alone would have all by definition.
    """
    rows, varying = measured(results), dimensions(results)
    if len(rows) < FEWEST_CONFIGS or len(varying) < _FEWEST_KEYS or not comparable(results):
        return {}
    study = _study(rows, varying)
    trees = [tree for seed in range(_TREES) if (tree := _shares_of_a_tree(study, seed))]
    found = {}
    for dimension in varying:
        shares = [tree[dimension.key] for tree in trees]
        low, high = np.quantile(shares, (0.025, 0.975))
        found[dimension.key] = Share(math.fsum(shares) / len(shares), float(low), float(high))
    return dict(sorted(found.items(), key=lambda item: -item[1].mean))


def _study(rows: Sequence[RankedConfig], varying: Sequence[Dimension]) -> "Study":
    """Returns configs, or of many an even choice along the ranking, as Optuna knows them."""
    from optuna import create_trial

    from mnist_exp.sweeps.search.sampling import new_study

    distributions = {dimension.key: _distribution(dimension) for dimension in varying}
    study = new_study()
    every = math.ceil(len(rows) / _MOST_CONFIGS)
    for place in range(0, len(rows), every):
        params = {
            dimension.key: (dimension.numbers or dimension.texts)[place] for dimension in varying
        }
        value = rows[place].mean
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    return study


def _shares_of_a_tree(study: "Study", seed: int) -> dict[str, float]:
    """Returns key -> share, by one tree; empty where all configs that it drew are equally good."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    try:
        return get_param_importances(
            study, evaluator=FanovaImportanceEvaluator(n_trees=1, seed=seed)
        )
    except RuntimeError:  # Optuna's word for no variance at all
        return {}


def _distribution(dimension: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.numbers is None:
        return CategoricalDistribution(tuple(dict.fromkeys(dimension.texts)))
    low, high = min(dimension.numbers), max(dimension.numbers)
    if all(number.is_integer() for number in dimension.numbers):
        return IntDistribution(int(low), int(high), log=dimension.log)
    return FloatDistribution(low, high, log=dimension.log)
