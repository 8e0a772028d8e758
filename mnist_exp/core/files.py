"""How a file or folder gets to its place: made beside it under another name, then renamed."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mnist_exp.core.errors import ExperimentError, RequestError, reason_of


def require_working_folder() -> None:
    """Checks that the folder that a command was given in is there still.

    Raises:
        RequestError: it was deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError as problem:
        raise RequestError(
            "Expected a working folder, where runs and their store are. Received: one that was "
            "deleted. Go to another with `cd`, or to one that was made anew with `cd .`."
        ) from problem


def require_free(out: Path, *, folder: bool, option: str = "--out") -> None:
    """Checks that something can be written at a place, before anything is made for it.

    Args:
        out: the place.
        folder: whether a folder goes there, which may take the place of an empty one.
        option: what the user named the place with.

    Raises:
        RequestError: something is there, or its folder does not exist or cannot be written.
    """
    if os.path.lexists(out) and not (folder and _is_empty_folder(out)):
        what = "a folder that does not exist or is empty" if folder else "a file that is new"
        raise RequestError(
            f"Expected {option} to be {what}. Received: {out}, which exists; nothing is "
            "overwritten. Name another, or remove it first."
        )
    try:
        with _hidden_folder(out):
            pass
    except OSError as problem:
        raise RequestError(
            f"Expected {option} in a folder that can be written. Received: {out}, and in "
            f"{out.absolute().parent}: {problem.strerror}. Create that folder, or name another."
        ) from problem


@contextmanager
def staged(out: Path, *, folder: bool, option: str = "--out") -> Iterator[Path]:
    """Lets the block write at a hidden place beside `out`; its end moves the result there.

    Args:
        out: where the result goes.
        folder: whether it is a folder; else a file.
        option: what the user named the place with.

    Yields:
        Where to write. It does not exist, and whatever happens nothing of it is left.

    Raises:
        RequestError: something has come there meanwhile.
        ExperimentError: it could not be written.
    """
    try:
        with _hidden_folder(out) as beside:
            place = Path(beside) / "export"
            yield place
            require_free(out, folder=folder, option=option)  # that took seconds
            place.rename(out)
    except OSError as problem:
        raise ExperimentError(
            f"Expected to write {out}. Received: {reason_of(problem)}. Nothing was left there; "
            "make room, or name another place."
        ) from problem


@contextmanager
def whole(file: Path, *, lasting: bool = True, own: str = "") -> Iterator[Path]:
    """Lets the block write a file beside its place, then moves it there; a crash leaves the old.

    Args:
        file: where the result goes, in a folder that exists.
        lasting: whether it has to survive a power cut that follows at once.
        own: what tells those apart who write it at the same time; "" where only one ever does.

    Yields:
        Where to write.

    Raises:
        OSError: it could not be written.
    """
    part = unfinished(file.with_name(f"{file.name}{own}"))
    try:
        yield part
        if lasting:
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        part.replace(file)
    finally:
        with suppress(OSError):  # it is in its place, or there is no folder for it
            part.unlink()


def unfinished(file: Path) -> Path:
    """Returns where `whole` has a file written; a process that is killed leaves it there."""
    return file.with_name(f".{file.name}.part")


def is_file(path: Path) -> bool:
    """Tells whether a file is there; in a folder that cannot be searched there is none."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def regular(file: Path) -> Iterator[BinaryIO]:
    """Opens a file to be read, which somebody else may have put there.

    Yields:
        Its bytes.

    Raises:
        OSError: it is none, but a folder, a pipe (which would wait for a writer for ever) or the
            like; or it cannot be read.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{file} is no file")
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - of a descriptor
        yield stream


def regular_bytes(file: Path, most: int) -> bytes:
    """Returns what such a file holds.

    Args:
        file: to read.
        most: bytes that it may have.

    Raises:
        OSError: see `regular`.
        ValueError: it is larger.
    """
    with regular(file) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{file} has more than {most:,} bytes")
    return content


def _hidden_folder(out: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(
        dir=out.absolute().parent, prefix=".mnist-exp-export-", ignore_cleanup_errors=True
    )


def _is_empty_folder(path: Path) -> bool:
    """Whether a folder can be replaced; the working folder would be gone for whoever is in it."""
    own = path.is_dir() and not path.is_symlink() and not path.samefile(Path.cwd())
    return own and not any(path.iterdir())
