"""The journal of a run: an append-only file in its job folder, written before MLflow hears of it.

One event a line, one write a line, flushed to the disk. A process that dies while it writes leaves
at most one torn line at the end, which readers ignore and the next writer cuts off.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.files import whole
from mnist_exp.core.locks import Lock
from mnist_exp.tracking.journal.events import Event, Start, decode, encode

FILE_NAME = "journal.jsonl"
_LOCK_NAME = "journal.lock"
# Whoever asks whether a journal is live holds its lock for an instant.
_PROBE_SECONDS = 2.0


class Entry(NamedTuple):
    """An event and the position in the file right behind it."""

    event: Event
    end: int


def read(job_dir: Path, *, after: int = 0) -> list[Entry]:
    """Returns the events of the journal in `job_dir`; none when there is no journal.

    Args:
        job_dir: The job folder.
        after: The end of the last entry that is known already.

    Raises:
        ExperimentError: A line other than a torn last one cannot be read.
    """
    try:
        with (job_dir / FILE_NAME).open("rb") as file:
            file.seek(after)
            data = file.read()
    except FileNotFoundError:
        return []
    entries = []
    end = after
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        end += len(line)
        try:
            entries.append(Entry(decode(line), end))
        except ValueError as problem:
            raise ExperimentError(
                f"Expected one event in each line of {job_dir / FILE_NAME}. Received: {problem} "
                f"before byte {end}. The file was altered, or written by a newer mnist_exp; "
                "restore it, or move the job folder away."
            ) from problem
    return entries


def hold(job_dir: Path, *, wait_seconds: float = 0.0) -> Lock | None:
    """Takes the lock that says that the journal is live; None when a process has it."""
    return Lock.take(job_dir / _LOCK_NAME, wait_seconds=wait_seconds)


def no_journal(job_dir: Path) -> RequestError:
    """Returns the error for a folder that is none of a run."""
    return RequestError(
        f"Expected the folder of a run, with a {FILE_NAME}. Received: {job_dir}. Runs leave their "
        "folders in outputs/."
    )


class Journal:
    """The writing end of a journal; whoever has it holds the journal's lock."""

    def __init__(self, job_dir: Path, lock: Lock) -> None:
        """Opens the journal in `job_dir`, whose lock the caller has taken."""
        self.job_dir = job_dir
        self._lock = lock
        self._waiting: list[bytes] = []
        self.problem: OSError | None = None
        self._descriptor = os.open(job_dir / FILE_NAME, os.O_RDWR | os.O_APPEND)
        self._cut_torn_line()

    @classmethod
    def create(cls, job_dir: Path, start: Start, lock: Lock) -> "Journal":
        """Makes the journal of a new run; it appears with its first event inside or not at all.

        Raises:
            RequestError: The folder has a journal already.
            OSError: The file cannot be written.
        """
        path = job_dir / FILE_NAME
        if path.exists():
            raise RequestError(
                f"Expected a job folder without a run. Received: {job_dir}, which has a "
                f"{FILE_NAME}. Use `mnist-exp resume` to go on with that run, or another folder."
            )
        with whole(path) as part:
            part.write_bytes(encode(start))
        _sync_folder(job_dir)
        return cls(job_dir, lock)

    @classmethod
    def reopen(cls, job_dir: Path) -> "Journal":
        """Opens the journal of a run that was cut off.

        Raises:
            RequestError: There is none, or a process is still writing it.
        """
        entries = read(job_dir)
        if not entries or not isinstance(entries[0].event, Start):
            raise no_journal(job_dir)
        lock = hold(job_dir, wait_seconds=_PROBE_SECONDS)
        if lock is None:
            raise RequestError(
                f"Expected a run that nothing works on. Received: {job_dir}, whose process is "
                "still alive. Wait for it to end, or stop it."
            )
        return cls(job_dir, lock)

    def append(self, event: Event) -> None:
        """Writes the event; on a full disk it waits in memory and is tried again with the next.

        `problem` says what the disk answered, and is None when nothing waits.
        """
        self._waiting.append(encode(event))
        self.flush()

    def flush(self) -> None:
        """Tries to write what waits in memory."""
        self.problem = None
        while self._waiting:
            size = os.fstat(self._descriptor).st_size
            try:
                self._write(self._waiting[0])
            except OSError as problem:
                self.problem = problem
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, size)
                return
            del self._waiting[0]

    def close(self) -> None:
        """Ends the writing and lets go of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._lock.release()

    def _write(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.job_dir / FILE_NAME))
        os.fsync(self._descriptor)

    def _cut_torn_line(self) -> None:
        data = (self.job_dir / FILE_NAME).read_bytes()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            os.ftruncate(self._descriptor, end)


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
