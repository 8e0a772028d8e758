"""What runs take of this machine's disk: artifacts, logged models, and job folders."""

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core import ids
from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.journal.pending_runs import OUTPUTS
from mnist_exp.tracking.mlflow import database
from mnist_exp.tracking.mlflow.artifact_root import local_folder, require
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.records import RunRecord


class Usage(NamedTuple):
    """The bytes of one run's files; None for what does not lie where this machine looks."""

    artifact_bytes: int | None
    model_bytes: int | None
    job_bytes: int | None  # of its folder: the journal, and checkpoints that were kept


def usage(runs: Iterable[RunRecord], uri: str, folder: Path) -> dict[str, Usage]:
    """Returns run id -> what the run takes.

    Args:
        runs: of one store.
        uri: of the store, as `location.resolve` returns it.
        folder: in whose `outputs` the job folders are looked for.

    Raises:
        sqlite3.Error: the store's file cannot be read.
    """
    runs, file = list(runs), sqlite_path(uri)
    models: dict[str, list[str]] = defaultdict(list)
    if file is not None:
        for run_id, place in database.model_places(file, [run.run_id for run in runs]):
            models[run_id].append(place)
    return {
        run.run_id: Usage(
            _stored([run.artifact_uri or ""], uri),
            _stored(models[run.run_id], uri),
            _bytes(folder / OUTPUTS / (run.job_id or "")) if ids.is_id(run.job_id or "") else None,
        )
        for run in runs
    }


def _stored(places: Iterable[str], uri: str) -> int | None:
    """Returns the bytes in folders of a local store, where they are its own."""
    sizes = []
    for place in places if sqlite_path(uri) is not None else ():
        with suppress(RequestError, ValueError):  # it lies elsewhere, or is no address
            require(place, uri)
            local = local_folder(place)
            sizes.append(None if local is None else _bytes(local))
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def _bytes(folder: Path) -> int | None:
    """Returns the bytes of all files below a folder, links not followed; None without a folder."""
    if not folder.is_dir():
        return None
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a run that is at work
                total += Path(above, name).lstat().st_size
    return total
