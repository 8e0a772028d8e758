"""The runs of the store that a folder uses: made whole, refreshed, found by what a user types."""

import os
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.text import printable
from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.location import preflight, resolve
from mnist_exp.tracking.mlflow.store import Store, unreachable
from mnist_exp.tracking.names import DONE, SWEEP_TAG
from mnist_exp.tracking.read.selection import select
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.recovery import recover

DEFAULT_EXPERIMENT = "mnist"
SELECTORS = ("latest", "best", "@champion")


@dataclass(frozen=True)
class Found:
    """A run, and the index that found it."""

    record: RunRecord
    index: Index

    @property
    def store(self) -> Store:
        """The store that keeps it."""
        return self.index.store


def open_index() -> Index:
    """Opens the index of the store and the experiment that plain `mnist-exp train` records in."""
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", DEFAULT_EXPERIMENT)
    return Index.open(resolve(None), experiment)


def refreshed_index(*, rebuild: bool = False) -> tuple[Index, Exception | None]:
    """Puts right what a crash or an outage left behind, then fetches what is new.

    Args:
        rebuild: whether to fetch everything.

    Returns:
        The index, and why it could not be refreshed, if so; it then holds what was known.

    Raises:
        RequestError: the local store cannot be read.
    """
    index = open_index()
    preflight(index.uri)
    recover(Path.cwd())
    with Attempt() as attempt:
        if rebuild:
            index.rebuild()
        else:
            index.refresh()
    return index, attempt.problem


def find(selector: str) -> Found:
    """Returns the run that a selector names.

    Args:
        selector: a run id or its unique start, a run name, latest, best or @champion.

    Raises:
        RequestError: no run is meant, or more than one, or the store does not answer.
    """
    index, problem = refreshed_index()
    if problem is not None:
        raise unreachable(index.uri, problem) from problem
    return Found(select(selector, index.runs(), index), index)


def run_names(*, finished: bool = True) -> list[str]:
    """Returns what a RUN argument can be, as the index knew it last; MLflow is not asked.

    Args:
        finished: whether runs that finished are among them; else only what `resume` takes.
    """
    runs = open_index().runs()
    if finished:
        return [*SELECTORS, *(run.name for run in runs)]
    return ["latest", *(run.name for run in runs if run.outcome not in DONE)]


def runs_of_sweep(sweep: str, index: Index) -> list[RunRecord]:
    """Returns the runs of a sweep's jobs, newest first.

    Raises:
        RequestError: there is no such sweep.
    """
    found = [run for run in index.tagged(SWEEP_TAG, sweep) if not run.is_sweep]
    if not found:
        names = sweep_names(index)
        known = f" There are {', '.join(names)}." if names else " There is none."
        raise RequestError(
            f"Expected the name of a sweep. Received: {sweep}.{nearest(sweep, names)}{known}"
        )
    return found


def sweep_names(index: Index) -> list[str]:
    """Returns the names of the sweeps that have runs."""
    return sorted({run.tags[SWEEP_TAG] for run in index.runs() if SWEEP_TAG in run.tags})


def require_finished(run: RunRecord) -> None:
    """Refuses a run that has no result: others made it, or it was cut off.

    Raises:
        RequestError: it says what became of the run, and how to finish it.
    """
    name = printable(run.name)
    if run.job_id is None:
        raise RequestError(
            f"Expected a run that mnist-exp made. Received: {name}, which lacks its tags. "
            "`mnist-exp runs` lists the runs."
        )
    if run.outcome != "finished":
        outcome = run.outcome or run.status.lower()
        remedies = {"pruned": "", "running": " Wait for its end."}
        remedy = remedies.get(outcome, f" Finish it with `mnist-exp resume {name}`.")
        raise RequestError(f"Expected a run that finished. Received: {name}: {outcome}.{remedy}")
