"""The runs of the store that a folder uses: made whole, refreshed, found by what a user types."""

import os
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.tracking import Index, RunRecord, Store, preflight, recover, resolve, select
from mnist_exp.tracking.attempt import Attempt
from mnist_exp.tracking.store import unreachable

DEFAULT_EXPERIMENT = "mnist"


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
