"""One command at a time for each sweep: in its folder, and among all that record in its store.

In a folder, and beside a SQLite file, a lock of the kernel sees to it. In any other store each
command sets a tag of its own on the experiment, its claim, and reads those of others afterwards. Of
two commands one at least sees the other, and goes on only when that has withdrawn: never do both.
"""

import atexit
import contextlib
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mnist_exp.core import ids
from mnist_exp.core.errors import RequestError
from mnist_exp.core.locks import Lock
from mnist_exp.core.terminal import say
from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.journal.pending_runs import OUTPUTS
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.experiment_tags import ExperimentTags
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.names import CLAIM_TAG
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.read.runs import answering

_FOLDER = ".sweeps"
_BEAT_SECONDS = 5.0  # between the signs of life of a claim
# A claim without one for so long is that of a dead command. What counts is the time in which the
# store answered, by the clock of who looks.
SILENT_SECONDS = 30.0
_POLL_SECONDS = 0.5


class Owner(BaseModel):
    """A command that is at a sweep, or wants to be, as its claim has it."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str
    sweep: str
    host: str
    folder: str
    lock: str  # path of the lock that it holds in its folder
    device: int  # of that file, which with its inode tells it from one of the same path elsewhere
    inode: int
    since: int  # unix milliseconds
    beat: int  # its last sign of life, unix milliseconds
    at_work: bool = False  # or still looking whether others are

    @classmethod
    def of(cls, text: str) -> "Owner | None":
        """Returns the owner that a tag tells of; None where it tells of none."""
        try:
            owner = cls.model_validate_json(text)
            owner.told()
        except (ValueError, OverflowError, OSError):  # somebody else wrote it
            return None
        return owner

    def told(self) -> str:
        """Returns where it is at work, and since when."""
        since = datetime.fromtimestamp(self.since / 1000).astimezone()
        return f"one on {self.host}, in {self.folder}, is at since {since:%Y-%m-%d %H:%M:%S}"

    def is_fresh(self) -> bool:
        """Says whether its last sign of life came a moment ago, if clocks agree."""
        return abs(now() - self.beat) < SILENT_SECONDS * 1000

    def has_died(self, other: "Owner") -> bool:
        """Says whether its process is known to be dead, by one that runs on the same machine."""
        if self.host != other.host:
            return False
        if (self.device, self.inode) == (other.device, other.inode):
            return True  # the other holds its lock
        file = Path(self.lock)
        with contextlib.suppress(OSError):
            same = file.is_file() and _identity(file) == (self.device, self.inode)
            if same and file.name == _lock_name(self.sweep):
                lock = Lock.take(file)
                if lock is not None:
                    lock.release()
                    return True
        return False


def hold(sweep: str, outputs: Path, experiment: Experiment) -> ExitStack:
    """Holds a sweep until the stack is closed, or the process ends.

    Args:
        sweep: its name.
        outputs: where the job folders lie.
        experiment: that records it.

    Raises:
        RequestError: another command is at it, the folder cannot be written, or the store does not
            answer.
    """
    name, own = _lock_name(sweep), outputs.absolute() / _FOLDER
    store = sqlite_path(experiment.uri)
    with ExitStack() as held:
        held.enter_context(_lock(own / name, sweep, "in this folder"))
        if store is None:
            with answering(experiment):
                tags = ExperimentTags(experiment.store.client, experiment.uri, experiment.name)
                held.callback(Claim(tags, sweep, own / name).take())
        else:
            shared = store.parent / OUTPUTS / _FOLDER  # where the store lies, the same as its own
            if shared.resolve() != own.resolve():
                held.enter_context(_lock(shared / name, sweep, f"that records in {store}"))
        kept = held.pop_all()
    atexit.register(kept.close)
    return kept


def _lock(file: Path, sweep: str, where: str) -> Lock:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock.take(file)
    except OSError as problem:
        raise RequestError(
            f"Expected a folder for the jobs that can be written. Received: {problem}. Run the "
            "command from another folder."
        ) from problem
    if lock is None:
        raise RequestError(
            f"Expected a sweep that no other process runs. Received: {sweep}, which one {where} "
            "is at. Wait for it, or stop it."
        )
    return lock


class Claim:
    """The tag of this command."""

    def __init__(self, tags: ExperimentTags, sweep: str, lock: Path) -> None:
        """Claims nothing yet.

        Args:
            tags: of the experiment.
            sweep: its name.
            lock: file of the lock that this process holds for the sweep.
        """
        began = now()
        device, inode = _identity(lock)
        self._own = Owner(
            id=ids.new(),
            sweep=sweep,
            host=platform.node(),
            folder=str(Path.cwd()),
            lock=str(lock),
            device=device,
            inode=inode,
            since=began,
            beat=began,
        )
        self._tags = tags
        self._ended = False
        self._writing = threading.Lock()
        self._wake = threading.Event()

    def take(self) -> Callable[[], None]:
        """Waits until the sweep is this command's; returns what lets go of it.

        Raises:
            RequestError: another command is at it.
        """
        self._write()
        threading.Thread(target=self._beat, name="sweep-claim", daemon=True).start()
        try:
            self._settle()
            self._write(at_work=True)
        except BaseException:
            self._release()
            raise
        return self._release

    def _settle(self) -> None:
        """Waits for others that withdraw, and for signs of life of those that may be dead."""
        seen: dict[str, Owner] = {}
        looks: Counter[str] = Counter()  # in a row, without a sign of life
        while others := self._others():
            for other in others:
                before, seen[other.id] = seen.get(other.id), other
                lives = before is not None and before.beat != other.beat
                looks[other.id] = 0 if lives else looks[other.id] + 1
                if lives or other.is_fresh():
                    if other.at_work or other.id < self._own.id:
                        raise _refused(other)
                elif before is None:
                    say(
                        f"Of sweep {other.sweep}, {other.told()}, without a sign of life. Waiting "
                        f"{SILENT_SECONDS:.0f} s for one.",
                        error=True,
                    )
                if looks[other.id] * _POLL_SECONDS > SILENT_SECONDS:
                    self._tags.remove(CLAIM_TAG + other.id)
            time.sleep(_POLL_SECONDS)

    def _others(self) -> list[Owner]:
        """Returns who else claims the sweep; what the dead left is taken away."""
        found = []
        for name, text in self._tags.read(CLAIM_TAG).items():
            owner = Owner.of(text)
            if owner is None or owner.sweep != self._own.sweep or owner.id == self._own.id:
                continue
            if owner.has_died(self._own):
                self._tags.remove(name)
            else:
                found.append(owner)
        return found

    def _beat(self) -> None:
        while not self._wake.wait(_BEAT_SECONDS):
            with Attempt():  # where the store is away, nobody else can claim anything either
                self._write()

    def _write(self, **changes: bool) -> None:
        with self._writing:
            if not self._ended:
                self._own = self._own.model_copy(update={"beat": now(), **changes})
                self._tags.write(CLAIM_TAG + self._own.id, self._own.model_dump_json())

    def _release(self) -> None:
        self._wake.set()
        with self._writing:  # a sign of life after this would stay
            self._ended = True
            with Attempt():  # those of a dead command are found out
                self._tags.remove(CLAIM_TAG + self._own.id)


def _lock_name(sweep: str) -> str:
    return f"{sweep}.lock"


def _identity(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino


def _refused(other: Owner) -> RequestError:
    return RequestError(
        f"Expected a sweep that no other command runs. Received: {other.sweep}, which "
        f"{other.told()}. Wait for it, or stop it; then the same command runs only what is "
        f"missing. One that died is known to be dead {SILENT_SECONDS:.0f} s later."
    )
