"""A command that is at a sweep, as its claim tells the others of it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from mnist_exp.core import ids
from mnist_exp.core.locks import Lock
from mnist_exp.tracking.journal.events import now

FOLDER = ".sweeps"  # of the locks, where the job folders lie
SILENT_SECONDS = 30.0  # without a sign of life, after which a command is taken for dead


Part = Annotated[str, StringConstraints(max_length=20)]  # of a sweep: a job's number, or `RECORD`


class Owner(BaseModel):
    """One command, where it is at work, and what it has taken of the sweep."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str
    sweep: str
    plan: str  # digest of what it is going to run: another plan cannot join it
    host: str
    folder: str
    lock: str  # path of the lock that it holds as long as it lives; no other has this path
    since: int  # when the first of those that are at it now began, unix milliseconds
    beat: int  # its last sign of life, unix milliseconds
    parent: str | None = None  # job id of the sweep's own run
    wants: Part | None = None
    holds: tuple[Part, ...] = ()

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Returns the owner that a claim tells of; None where it tells of none."""
        try:
            owner = cls.model_validate_json(text)
            owner.told()
        except (ValueError, OverflowError, OSError):  # somebody else wrote it
            return None
        return owner

    def told(self) -> str:
        """Returns where it is at work, and since when."""
        since = datetime.fromtimestamp(self.since / 1000).astimezone()
        return f"one on {self.host}, in {self.folder}, since {since:%Y-%m-%d %H:%M:%S}"

    def is_fresh(self) -> bool:
        """Says whether its last sign of life came a moment ago, if clocks agree."""
        return abs(now() - self.beat) < SILENT_SECONDS * 1000

    def lives(self, host: str) -> bool | None:
        """Says whether its process is alive, stopped by Ctrl-Z or not.

        Args:
            host: name of the machine that asks.

        Returns:
            None where that cannot be known: it is on another machine, or another user's.
        """
        file = Path(self.lock)  # of a claim that anybody may have written
        is_lock = ids.is_id(self.id) and (file.parent.name, file.name) == (
            FOLDER,
            f"{self.id}.lock",
        )
        if self.host != host or not is_lock or not file.is_file():
            return None
        try:
            lock = Lock.take(file)
        except OSError:
            return None
        if lock is None:
            return True
        file.unlink(missing_ok=True)
        lock.release()
        return False
