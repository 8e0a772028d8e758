"""The list of runs that MLflow may not have yet: `outputs/.pending/<job_id>` where they started.

So a command finds what a crash or an outage left without looking through every job folder.
"""

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core.files import regular_bytes, whole
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import lines

OUTPUTS = "outputs"  # where a project has its job folders, if nobody chose others
_FOLDER = Path(OUTPUTS, ".pending")
_MOST_BYTES = 100_000  # of a mark
# Whoever asks whether a run is at work holds its lock for an instant.
_SETTLING_SECONDS = 2.0


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
    with whole(marks / job_id, own=str(threading.get_native_id())) as part:  # two may mark one run
        part.write_bytes(lines.seal(json.dumps({"job_dir": place}), 1))


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
        lock = journal.hold(job_dir, wait_seconds=_SETTLING_SECONDS)
        if lock is None:  # somebody goes on with it, and marked it before
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
                place = None if _is_too_long(named) else named
        if place is None and not mark.is_file():
            continue  # it is gone, or none of ours
        yield Marker(mark.name, place or folder / OUTPUTS / mark.name, is_damaged=place is None)


def _is_too_long(place: Path) -> bool:
    """Tells whether no file system has such a name; what cannot be reached now may be there."""
    try:
        place.lstat()
    except OSError as problem:
        return problem.errno == errno.ENAMETOOLONG
    return False
