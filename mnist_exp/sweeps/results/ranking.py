"""From the jobs of a sweep to its configs: the seeds of each together, the best validation first.

Test accuracy travels along to be shown; nothing here is decided by it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from mnist_exp.core.statistics import usual
from mnist_exp.evaluation.names import TEST_ACCURACY
from mnist_exp.runs.command import key_of, train_command
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.result import JobResult

SEED = "seed"
_ORDER = ("finished", "pruned", "failed")


@dataclass(frozen=True)
class RankedConfig:
    """One config, its seeds together."""

    overrides: tuple[str, ...]  # what sets it apart, without the seed
    objective: Objective  # that it is compared by
    jobs: tuple[int, ...]  # those that gave a value first, in its order
    seeds: tuple[int, ...]  # one per job, in the same order
    values: tuple[float, ...]  # of the objective, one per seed that has one
    mean: float  # of the values; NaN without any
    deviation: float | None  # standard deviation over seeds; None below two
    low: float  # 95 % interval: of the mean over seeds, or of one seed's validation images
    high: float
    test_accuracy: float | None  # mean over seeds, 0-1; shown, never used to rank
    seconds: float  # of a job, the median
    median_seed: int  # of the median value, of two the lower; without values the first
    threads: int | None  # of that seed's job; None where its record does not say
    outcome: Literal["finished", "pruned", "failed"]


def key_and_value(override: str) -> tuple[str, str]:
    """Returns the two sides of an override, the key without a leading `+`."""
    return key_of(override), override.partition("=")[2]


def settings(overrides: Iterable[str]) -> dict[str, str]:
    """Returns key -> value as typed, the seed left out."""
    pairs = dict(map(key_and_value, overrides))
    return {key: value for key, value in pairs.items() if key != SEED}


def swept_keys(overrides: Iterable[Sequence[str]]) -> list[str]:
    """Returns every key that some of the configs set, the seed left out, in order of appearance."""
    return list(dict.fromkeys(key for config in overrides for key in settings(config)))


def varying_keys(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Returns the swept keys without those that have the same value everywhere."""
    configs = [settings(config) for config in overrides]
    return [
        key for key in swept_keys(overrides) if len({config.get(key) for config in configs}) > 1
    ]


def ranking(results: Iterable[JobResult]) -> list[RankedConfig]:
    """Groups jobs that differ by nothing but the seed, and orders the groups.

    Returns:
        Finished configs, the best mean of the objective first, those with fewer seeds than most
        behind the others; then pruned, then failed. Equals keep the order of their first jobs.
    """
    groups: dict[frozenset[tuple[str, str]], list[JobResult]] = {}
    for result in sorted(results, key=lambda result: result.number):
        groups.setdefault(frozenset(settings(result.overrides).items()), []).append(result)
    rows = [_row(jobs) for jobs in groups.values()]
    most_have = usual_seeds(rows)

    def order(row: RankedConfig) -> tuple[int, bool, float]:
        # So the one seed of a config that went well does not beat others that have all of theirs.
        return _ORDER.index(row.outcome), len(row.values) < most_have, -_or_worst(row.mean)

    return sorted(rows, key=order)


def usual_seeds(rows: Sequence[RankedConfig]) -> int:
    """Returns how many seeds most finished configs were measured with, of equals the greater."""
    return usual(len(row.values) for row in rows if row.outcome == "finished" and row.values)


def _row(jobs: Sequence[JobResult]) -> RankedConfig:
    outcome = _outcome(jobs)
    # A search may try the same config twice; the same seed twice is no second measurement.
    by_seed = {job.seed: job for job in jobs if job.outcome in ("finished", "pruned")}
    measured = [job for job in by_seed.values() if math.isfinite(job.value)]
    others = [job for job in jobs if job not in measured]
    values = tuple(job.value for job in measured)
    tests = [j.metrics[TEST_ACCURACY] for j in by_seed.values() if TEST_ACCURACY in j.metrics]
    mean = math.fsum(values) / len(values) if values else math.nan
    objective = jobs[0].objective
    images = int(measured[0].params["data.validation_images"]) if measured else 0
    summary = objective.summary(values, images)
    middle = _median_job(measured) if measured else others[0]
    threads = middle.params.get("training.threads", "")
    return RankedConfig(
        overrides=tuple(text for text in jobs[0].overrides if key_and_value(text)[0] != SEED),
        objective=objective,
        jobs=tuple(job.number for job in (*measured, *others)),
        seeds=tuple(job.seed for job in (*measured, *others)),
        values=values,
        mean=mean,
        deviation=summary.deviation,
        low=summary.low,
        high=summary.high,
        test_accuracy=math.fsum(tests) / len(tests) if tests else None,
        seconds=median(job.seconds for job in measured or jobs),
        median_seed=middle.seed,
        threads=int(threads) if threads.isdecimal() else None,
        outcome=outcome,
    )


def _median_job(jobs: Sequence[JobResult]) -> JobResult:
    """Returns the job whose value is the median, of two in the middle the lower."""
    return sorted(jobs, key=lambda job: (job.value, job.number))[(len(jobs) - 1) // 2]


def _outcome(jobs: Sequence[JobResult]) -> Literal["finished", "pruned", "failed"]:
    """Returns what became of a config: one pruned seed makes its mean that of a part."""
    outcomes = {job.outcome for job in jobs}
    if "pruned" in outcomes:
        return "pruned"
    return "finished" if "finished" in outcomes else "failed"


def _or_worst(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def winner(rows: Sequence[RankedConfig]) -> RankedConfig | None:
    """Returns the first config of a ranking; None where none has finished and been measured."""
    return rows[0] if rows and rows[0].outcome == "finished" and rows[0].values else None


def winner_command(rows: Sequence[RankedConfig], fixed: Sequence[str]) -> str | None:
    """Returns the command that trains the winner again, with its median seed.

    Not its best one, whose accuracy is luck that no other seed repeats.

    Args:
        rows: The ranking.
        fixed: The flags and overrides that every job of the sweep has, as typed. What only a sweep
            understands is left out of the command, and what the winner sets itself.

    Returns:
        One line for a shell; None where there is no winner.
    """
    best = winner(rows)
    if best is None:
        return None
    own = {SEED, *settings(best.overrides)}
    shared = [text for text in fixed if key_and_value(text)[0] not in own]
    return train_command([*shared, *best.overrides, f"{SEED}={best.median_seed}"], best.threads)
