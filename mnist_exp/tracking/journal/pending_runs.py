"""The list of runs that MLflow may not have yet: `outputs/.pending/<job_id>` where they started.

So a command finds what a crash or an outage left without looking through every job folder.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core.files import whole
from mnist_exp.tracking.journal import lines

OUTPUTS = "outputs"  # where a project has its job folders, if nobody chose others
_FOLDER = Path(OUTPUTS, ".pending")


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
    with whole(marks / job_id) as part:
        part.write_bytes(lines.seal(json.dumps({"job_dir": place}), 1))


def is_pending(folder: Path, job_id: str) -> bool:
    """Tells whether a run that was started from a folder is marked."""
    return (folder / _FOLDER / job_id).exists()


def remove(folder: Path, job_id: str) -> None:
    """Takes the mark away; a mark that is gone is fine."""
    (folder / _FOLDER / job_id).unlink(missing_ok=True)


def pending(folder: Path) -> Iterator[Marker]:
    """Yields the runs that are marked, oldest name first."""
    marks = folder / _FOLDER
    if not marks.is_dir():
        return
    for mark in sorted(marks.iterdir()):
        if mark.name.startswith("."):
            continue
        try:
            found = lines.unseal(mark.read_bytes())
        except FileNotFoundError:
            continue
        try:
            place = folder / json.loads(found[1])["job_dir"] if found else None
        except (ValueError, KeyError, TypeError, RecursionError):  # somebody else wrote it
            place = None
        yield Marker(mark.name, place or folder / OUTPUTS / mark.name, is_damaged=place is None)
