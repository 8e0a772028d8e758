"""Locks that the kernel drops when their holder dies, also by kill -9.

`flock` answers exactly whether a process still holds a file; a process id in a file would not.
Only whoever holds a lock may remove its file: a lock on a file that is gone is none.
"""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Self

_POLL_SECONDS = 0.05


class Lock:
    """An exclusive lock on a file, held until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        """Keeps an open file that is locked; use `take`."""
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, wait_seconds: float = 0.0) -> "Lock | None":
        """Takes the lock on `path`, which is created if it does not exist.

        Args:
            path: The lock file; its folder exists.
            wait_seconds: How long to wait for another holder; `math.inf` for ever.

        Returns:
            The lock, or None when another holder kept it all that time.

        Raises:
            OSError: The file cannot be created.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(path, descriptor):
                    return cls(descriptor)
            except OSError as problem:
                if problem.errno not in (errno.EAGAIN, errno.EACCES):
                    os.close(descriptor)
                    raise
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return None
                time.sleep(_POLL_SECONDS)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Lets go of the lock; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_at(path: Path, descriptor: int) -> bool:
    """Tells whether an open file is still that of a path: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
