"""The list of runs that MLflow may not have yet: `outputs/.pending/<job_id>` where they started.

So a command finds what a crash or an outage left without looking through every job folder.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core.files import regular_bytes
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import lines

OUTPUTS = "outputs"  # where a project has its job folders, if nobody chose others
_FOLDER = Path(OUTPUTS, ".pending")
_MOST_BYTES = 100_000  # of a mark


class Marker(NamedTuple):
    """A run that was started from a folder and is not known to be complete in MLflow."""

    job_id: str
    job_dir: Path
    is_damaged: bool = False  # the mark; the folder is then where most runs have it


def add(folder: Path, job_id: str, job_dir: Path) -> None:
    """Marks a run as pending.

    Raises:
        OSError: The folder cannot be written.
    """
    marks = folder / _FOLDER
    marks.mkdir(parents=True, exist_ok=True)
    # Relative where it can be, so that a project may move.
    place = os.path.relpath(job_dir, folder) if job_dir.is_relative_to(folder) else str(job_dir)
    with tempfile.TemporaryDirectory(dir=marks, prefix=".") as own:  # two may mark the same run
        part = Path(own, job_id)
        with part.open("wb") as stream:
            stream.write(lines.seal(json.dumps({"job_dir": place}), 1))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(marks / job_id)


def is_pending(folder: Path, job_id: str) -> bool:
    """Tells whether a run that was started from a folder is marked."""
    return (folder / _FOLDER / job_id).exists()


def remove(folder: Path, job_id: str) -> None:
    """Takes the mark away; a mark that is gone is fine."""
    (folder / _FOLDER / job_id).unlink(missing_ok=True)


def settle(folder: Path, job_id: str, job_dir: Path, size: int) -> None:
    """Takes the mark of a run away that is complete in MLflow, unless it has gone on meanwhile.

    Args:
        folder: where it was started from.
        job_id: of the run.
        job_dir: with its journal.
        size: in bytes, of the journal that is complete.
    """
    try:
        lock = journal.hold(job_dir)
        if lock is None:  # somebody goes on with it, who has marked it again
            return
        with lock:
            if (job_dir / journal.FILE_NAME).stat().st_size == size:
                remove(folder, job_id)
    except FileNotFoundError:  # the folder was deleted: nothing of it goes on
        remove(folder, job_id)


def pending(folder: Path) -> Iterator[Marker]:
    """Yields the runs that are marked, oldest name first."""
    marks = folder / _FOLDER
    if not marks.is_dir():
        return
    for mark in sorted(marks.iterdir()):
        if mark.name.startswith("."):
            continue
        place = None
        # Somebody else may have written it.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            found = lines.unseal(regular_bytes(mark, _MOST_BYTES))
            if found is not None:
                named: Path = folder / json.loads(found[1])["job_dir"]
                named.is_dir()  # a path may be too long
                place = named
        if place is None and not mark.is_file():
            continue  # it is gone, or none of ours
        yield Marker(mark.name, place or folder / OUTPUTS / mark.name, is_damaged=place is None)
