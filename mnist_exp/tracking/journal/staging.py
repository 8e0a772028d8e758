"""Files on their way to MLflow: whole in the job's `artifacts/`, or not there at all."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

FOLDER = "artifacts"
PARTS = ".part"  # what is not whole, below that folder


def stage(job_dir: Path, path: str, write: Callable[[Path], object]) -> str:
    """Lets `write` make a file, and puts it in its place when it is complete.

    Args:
        job_dir: The job folder.
        path: Where the file goes below `artifacts/`, with slashes.
        write: Called with the file to write, which has the right name in another folder.

    Returns:
        The file's SHA-256.

    Raises:
        OSError: It could not be written.
    """
    part = job_dir / FOLDER / PARTS / path
    place = job_dir / FOLDER / path
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest


def is_own(job_dir: Path, path: str) -> bool:
    """Tells whether what is staged at a path is no link and holds none.

    A project that was copied from somebody may have links to the user's own files.
    """
    place = job_dir / FOLDER / path
    own = place.resolve() == job_dir.resolve() / FOLDER / path
    return own and not any(inner.is_symlink() for inner in place.rglob("*"))


def digest_of(file: Path) -> str:
    """Returns the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def clear(job_dir: Path, *, parts_alone: bool = False) -> None:
    """Removes all staged files, or those alone that never became whole."""
    shutil.rmtree(job_dir / FOLDER / (PARTS if parts_alone else ""), ignore_errors=True)
