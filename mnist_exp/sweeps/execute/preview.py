"""The plan of a grid as `--dry-run` shows it: each job, what sets it apart, and how it stands."""

import math
from collections.abc import Iterable, Mapping, Sequence

from mnist_exp.core.terminal import printable
from mnist_exp.core.text import short_keys, shortened
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.ranking import key_and_value
from mnist_exp.sweeps.results.result import JobResult

_MOST = 50  # jobs that are all shown; of more, those at both ends
_HEAD, _TAIL = 30, 10

Line = tuple[int, tuple[str, ...], str]  # a job's number, its own overrides, its state


def preview(jobs: Iterable[PlannedJob], ledger: Ledger, done: Mapping[int, JobResult]) -> str:
    """Returns the jobs of a grid and how each stands, a line for each.

    Args:
        jobs: of the plan, in its order.
        ledger: which has been read.
        done: job number -> result, of the jobs that have ended.
    """
    return text(
        [
            (job.number, job.draft.assignment.overrides, _state(job, ledger, done.get(job.number)))
            for job in jobs
        ]
    )


def _state(job: PlannedJob, ledger: Ledger, result: JobResult | None) -> str:
    """Returns whether a job is to run, in words."""
    run = ledger.run(job.draft.key)
    if result is not None:
        told = result.objective.told(result.value)
        measured = "" if math.isnan(result.value) else f", {told}"
        return f"done: {result.run_name}{measured}"
    if job.draft.key in ledger.at_work or (run is not None and not run.outcome):
        return "running"
    return "to do" if run is None else f"to do again, {run.outcome} before"


def text(jobs: Sequence[Line]) -> str:
    """Returns a line for each job, under a line of names; of long plans the beginning and the end.

    Args:
        jobs: of the plan, in its order.
    """
    keys = _varying(overrides for _, overrides, _ in jobs)
    rows = [
        [str(number), *_values(overrides, keys), printable(state)]
        for number, overrides, state in jobs
    ]
    if len(rows) > _MOST:
        left = ["..."] * (len(keys) + 1) + [f"{len(rows) - _HEAD - _TAIL} more"]
        rows = [*rows[:_HEAD], left, *rows[-_TAIL:]]
    rows = [["job", *short_keys(keys).values(), "state"], *rows]
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        "  ".join([f"{number:>{first}}", *map(str.ljust, cells, widths)]).rstrip()
        for number, *cells in rows
    )


def _values(overrides: Iterable[str], keys: Iterable[str]) -> list[str]:
    own = dict(map(key_and_value, overrides))
    return [shortened(own.get(key, "")) for key in keys]


def _varying(configs: Iterable[Iterable[str]]) -> list[str]:
    """Returns the keys, the seed among them, that differ between jobs."""
    every = [dict(map(key_and_value, overrides)) for overrides in configs]
    keys = dict.fromkeys(key for config in every for key in config)
    return [key for key in keys if len({config.get(key) for config in every}) > 1]
