"""What a sweep says before it begins: what is done, what is left, and about how long that takes."""

from collections.abc import Mapping
from typing import Any

from mnist_exp.config.record import flatten
from mnist_exp.core.text import counted
from mnist_exp.runs import environment
from mnist_exp.runs.console import duration
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.plan import Plan
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.search.space import Space
from mnist_exp.tracking.names import DONE, KEY_TAG


def announcement(
    plan: Plan,
    ledger: Ledger,
    pending: PendingJobs,
    *,
    slots: int,
    done: Mapping[int, JobResult],
    total: int,
) -> str:
    """Returns what is going to happen, in a few lines.

    Args:
        plan: of the sweep.
        ledger: which has been read.
        pending: which jobs are to run.
        slots: how many jobs run at once.
        done: job number -> result, of the jobs that have ended.
        total: how many jobs the sweep has, as far as is known.
    """
    if plan.space is None:
        words, seconds = _grid(ledger, pending, done)
        runs = [ledger.done(job.draft.key) for job in pending.jobs]
    else:
        words, seconds = _search(plan, plan.space, ledger, len(done), total)
        runs = [run for run in ledger.latest() if run.outcome in DONE]
    left = max(0, total - len(done))
    about = f", about {duration(seconds / max(1, min(slots, left)))}" if seconds else ""
    lines = [f"Sweep {plan.name}: {words}{about}"]
    if plan.repeated:
        lines.append(f"{plan.repeated} more would repeat one of these; left out.")
    if plan.space is None:
        lines += _left_out(ledger, pending)
    stale = sum(map(pending.is_stale, runs))
    if stale and plan.config.sweep.rerun == "none":
        lines.append(
            f"{stale} of those done were run by other code; sweep.rerun=stale runs them again."
        )
    lines += [f"Warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _left_out(ledger: Ledger, pending: PendingJobs) -> list[str]:
    """Returns lines on the jobs of a grid's name that it does not have; none of none."""
    planned = {job.draft.key for job in pending.jobs}
    others = [run for run in ledger.latest() if run.tags[KEY_TAG] not in planned]
    if not others:
        return []
    keys = set.intersection(*(set(flatten(job.draft.config)) for job in pending.jobs))
    old = sum(not keys <= run.params.keys() for run in others)
    counts = {
        "values that are not given now": (len(others) - old, "Give all values to have them in it."),
        "a version whose config had other keys": (old, "What is given runs again."),
    }
    return [
        f"{counted(count, 'other job')} of this sweep, of {what}, will not be in its ranking and "
        f"record. {remedy}"
        for what, (count, remedy) in counts.items()
        if count
    ]


def _grid(
    ledger: Ledger, pending: PendingJobs, done: Mapping[int, JobResult]
) -> tuple[str, float | None]:
    """Returns what is to be done of a grid, and its seconds one after the other, if known."""
    left = [job for job in pending.jobs if job.number not in done]
    words = counted(len(left), "job")
    if done:
        words = f"{len(done)} of {len(pending.jobs)} done, {len(left)} to do"
    if not left:
        words = f"all {len(done)} jobs are done" if len(done) > 1 else "its one job is done"
    seconds = 0.0
    for job in left:
        like = ledger.seconds_of_like(flatten(environment.settled(job.draft.config)))
        if like is None:
            return words, None
        seconds += like
    return words, seconds


def _search(
    plan: Plan, space: Space, ledger: Ledger, done: int, total: int
) -> tuple[str, float | None]:
    """Returns what a search will do, and its seconds one after the other, if known."""
    search = plan.config.search
    assert search is not None
    seeds = max(1, len(space.seeds))
    words = f"{search.name} search, {counted(total // seeds, 'trial')}"
    words += f" of {seeds} seeds" if seeds > 1 else ""
    if search.name == "halving":
        words = f"halving search, {_rounds(search, space, plan.config.training.epochs)}"
        words += f", each with {seeds} seeds" if seeds > 1 else ""
    words += f", {counted(done, 'run')} so far" if done else ""
    like = ledger.seconds_of_like(flatten(environment.settled(plan.config)))
    if like is None or search.name == "halving":  # whose rounds differ in length
        return words, None
    return words, like * max(0, total - done)


def _rounds(search: Any, space: Space, epochs: int) -> str:
    """Returns the rounds of a halving search in words."""
    from mnist_exp.sweeps.search.halving import Halving  # it imports Optuna, which a grid need not

    first, *others = Halving(search, space, epochs).rounds
    words = f"{counted(first[0], 'trial')} with {counted(first[1], 'epoch')}"
    for trials, length in others:
        words += f", then the best{f' {trials}' if trials > 1 else ''} with {length}"
    if not others:
        words += ", and no second round: for one, training.epochs has to be at least "
        words += f"{search.reduction * search.min_epochs}, and search.trials 2"
    return words
