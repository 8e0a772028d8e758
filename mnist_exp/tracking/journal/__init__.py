"""The journal of a run: an append-only file in its job folder, written before MLflow hears of it.

One event a line, one write a line, flushed to the disk. A process that dies while it writes leaves
at most one torn line at the end, which readers ignore and the next writer cuts off. Everything else
that is not as it was written is damage, and is named.
"""

import contextlib
import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

from mnist_exp.core import signals
from mnist_exp.core.errors import RequestError
from mnist_exp.core.files import whole
from mnist_exp.core.locks import Lock
from mnist_exp.tracking.journal import lines
from mnist_exp.tracking.journal.events import Event, Start, encode, now
from mnist_exp.tracking.journal.reading import (
    FILE_NAME,
    Contents,
    Entry,
    contents,
    damaged,
    no_journal,
    read,
)

__all__ = [
    "FILE_NAME",
    "SENT_NAME",
    "Contents",
    "Entry",
    "Journal",
    "contents",
    "damaged",
    "hold",
    "hold_sending",
    "is_begun",
    "no_journal",
    "read",
]

SENT_NAME = "journal.sent"  # how far MLflow has confirmed it: only a cache
_LOCK_NAME = "journal.lock"
_SENDING_NAME = "journal.sending"
# Whoever asks whether a journal is live holds its lock for an instant.
_PROBE_SECONDS = 2.0
# What sends for a run that was killed ends with its last call to MLflow.
_SENDING_SECONDS = 30.0


def is_begun(job_dir: Path) -> bool:
    """Tells whether a folder is that of a run, which has held its journal's lock."""
    return any((job_dir / name).is_file() for name in (FILE_NAME, _LOCK_NAME))


def hold(job_dir: Path, *, wait_seconds: float = 0.0) -> Lock | None:
    """Takes the lock that says that the journal is live; None when a process has it."""
    return Lock.take(job_dir / _LOCK_NAME, wait_seconds=wait_seconds)


def hold_sending(job_dir: Path, *, wait_seconds: float = 0.0) -> Lock | None:
    """Takes the lock that says that a process sends the journal; None while another has it."""
    return Lock.take(job_dir / _SENDING_NAME, wait_seconds=wait_seconds)


class Journal:
    """The writing end of a journal; whoever has it holds the journal's lock."""

    def __init__(self, job_dir: Path, lock: Lock) -> None:
        """Opens the journal in `job_dir`, whose lock the caller has taken."""
        self.job_dir = job_dir
        self._lock = lock
        self._waiting: list[bytes] = []
        self._time = 0  # of the last event
        self.problem: OSError | None = None
        self._descriptor = self._open()

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
            part.write_bytes(lines.seal(encode(start), 1))
        _sync_folder(job_dir)
        return cls(job_dir, lock)

    @classmethod
    def reopen(cls, job_dir: Path) -> "Journal":
        """Opens the journal of a run that was cut off.

        Raises:
            RequestError: There is none, or a process is still writing it.
            ExperimentError: It cannot be read, or its first line is damaged.
        """
        found = contents(job_dir)
        if not found.entries or not isinstance(found.entries[0].event, Start):
            raise damaged(job_dir, found.damage) if found.damage else no_journal(job_dir)
        lock = hold(job_dir, wait_seconds=_PROBE_SECONDS)
        if lock is None:
            raise RequestError(
                f"Expected a run that nothing works on. Received: {job_dir}, whose process is "
                "still alive. Wait for it to end, or stop it."
            )
        try:
            return cls(job_dir, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def is_open(self) -> bool:
        """Whether it is written, until `close`."""
        return self._descriptor >= 0

    @property
    def size(self) -> int:
        """Bytes of the file, while it is open."""
        return os.fstat(self._descriptor).st_size

    @property
    def is_in_place(self) -> bool:
        """Whether the file is still where its readers look: nobody deleted or moved the folder."""
        if not self.is_open:
            return False
        file = self.job_dir / FILE_NAME
        try:
            return os.path.samestat(os.fstat(self._descriptor), file.stat())
        except OSError as problem:  # else a disk that does not answer for a moment
            return not isinstance(problem, FileNotFoundError)

    def append(self, event: Event) -> None:
        """Writes the event; on a full disk it waits in memory and is tried again with the next.

        `problem` says what the disk answered, and is None when nothing waits.
        """
        with signals.held():  # a line that Ctrl-C cut off here would be written twice
            # A clock that is set back would have a run end before it began.
            self._time = max(self._time, event.time)
            self._lines += 1
            told = encode(replace(event, time=self._time))
            self._waiting.append(lines.seal(told, self._lines))
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
            except BaseException:  # the second Ctrl-C
                os.ftruncate(self._descriptor, size)
                raise
            del self._waiting[0]

    def mend(self) -> str:
        """Goes on with what is whole of a damaged journal, and keeps the file as it was.

        Returns:
            What was damaged, in a sentence; "" where nothing was.

        Raises:
            RequestError: A process is still sending it.
            OSError: The files cannot be written.
        """
        found = contents(self.job_dir)
        if not found.damage:
            return ""
        # Whoever still sends would note how far it came in a file that is no longer there.
        sending = hold_sending(self.job_dir, wait_seconds=_SENDING_SECONDS)
        if sending is None:
            raise RequestError(
                f"Expected a run that nothing works on. Received: {self.job_dir}, which a process "
                "is still sending to MLflow. Wait for it to end, or stop it."
            )
        with sending:
            file = self.job_dir / FILE_NAME
            kept = self.job_dir / f"journal.damaged-{now()}.jsonl"
            shutil.copyfile(file, kept)
            with whole(file) as part:
                events = [encode(entry.event) for entry in found.entries]
                part.write_bytes(b"".join(map(lines.seal, events, range(1, len(events) + 1))))
            (self.job_dir / SENT_NAME).unlink(missing_ok=True)  # it counts bytes of the other file
            _sync_folder(self.job_dir)
        before, self._descriptor = self._descriptor, self._open()
        os.close(before)
        return (
            f"The journal {file} is damaged: {'; '.join(found.damage)}. The run goes on with the "
            f"lines that are whole; the damaged file is kept as {kept.name}."
        )

    def close(self) -> None:
        """Ends the writing and lets go of the lock."""
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1
            self._lock.release()

    def _write(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.job_dir / FILE_NAME))
        os.fsync(self._descriptor)

    def _open(self) -> int:
        """Opens the file for lines behind those that it has, and cuts off a torn one."""
        file = self.job_dir / FILE_NAME
        found = contents(self.job_dir)
        self._lines = found.lines
        self._time = max((entry.event.time for entry in found.entries), default=0)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND)
        try:
            os.ftruncate(descriptor, found.end)
            if not file.read_bytes().endswith(b"\n"):  # a last line whose end is damaged
                os.write(descriptor, b"\n")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
