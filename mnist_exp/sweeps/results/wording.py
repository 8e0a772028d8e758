"""What the texts and pictures of a sweep say of configs, measurements and failures."""

import math
from collections.abc import Iterable, Iterator, Sequence

from mnist_exp.core.text import percent, short_keys, shortened
from mnist_exp.sweeps.results.ranking import (
    RankedConfig,
    key_and_value,
    swept_keys,
    varying_keys,
    winner,
)
from mnist_exp.sweeps.results.result import JobResult

AS_GIVEN = "the config as given"  # what a config is called that sets nothing itself


def config_text(overrides: Iterable[str], keys: Sequence[str]) -> str:
    """Returns a config's values of some keys on one line, as short as they stay clear."""
    own = dict(map(key_and_value, overrides))
    labels = short_keys(keys)
    return " ".join(f"{labels[key]}={shortened(own[key])}" for key in keys if key in own)


def shown_keys(rows: Sequence[RankedConfig]) -> list[str]:
    """Returns the keys in which configs differ; where they do not, all that they set."""
    overrides = [row.overrides for row in rows]
    return varying_keys(overrides) or swept_keys(overrides)


def winner_heading(rows: Sequence[RankedConfig]) -> str:
    """Returns what stands above the winner's command: which of several seeds it has."""
    best = winner(rows)
    seeds = len(best.values) if best else 0
    return f"The winner again{f', with the median of its {seeds} seeds' if seeds > 1 else ''}"


def ranks(rows: Sequence[RankedConfig]) -> Iterator[str]:
    """Yields the place of a finished config, the same for equals; without a value it has none."""
    ways = [(len(row.values), row.mean) for row in rows]
    for row, way in zip(rows, ways, strict=True):
        yield str(1 + ways.index(way)) if row.outcome == "finished" and row.values else ""


def measures(row: RankedConfig) -> Iterator[str]:
    """Yields seeds, the objective with its interval, test accuracy or why none, time."""
    measured, asked = len(row.values), len(set(row.seeds))
    yield str(asked) if measured == asked else f"{measured} of {asked}"
    interval = f" ({row.objective.span(row.low, row.high)})" if math.isfinite(row.low) else ""
    yield f"{row.objective.number(row.mean)}{interval}" if measured else ""
    untested = "pruned" if row.outcome == "pruned" else ""
    yield untested if row.test_accuracy is None else percent(row.test_accuracy)
    yield f"{row.seconds:,.1f}"


def failures(results: Iterable[JobResult], keys: Sequence[str]) -> list[str]:
    """Returns a line for each job that failed or was killed: which one, and why."""
    return [
        f"job {job.number}, {f'{config_text(job.overrides, keys)} seed={job.seed}'.lstrip()}: "
        f"{job.reason or job.outcome}"
        for job in sorted(results, key=lambda result: result.number)
        if job.outcome in ("failed", "killed")
    ]
