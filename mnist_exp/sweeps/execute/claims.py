"""The commands that are at one sweep, and what of it each has taken: nothing is taken twice.

Each command has a claim where all that record in the store can read it: a tag of the experiment,
or a file beside a SQLite store. It writes there what it wants, reads the claims of the others
afterwards, and takes it only if no other has it or wants it before. Of two that want the same one
at least sees the other, and waits until that has let go of it: never do both have it.
"""

import atexit
import platform
import threading
import time
from pathlib import Path
from typing import Any

from mnist_exp.core import ids
from mnist_exp.core.errors import RequestError
from mnist_exp.core.locks import Lock
from mnist_exp.core.terminal import say
from mnist_exp.sweeps.execute.boards import Board, Files
from mnist_exp.sweeps.execute.owner import FOLDER, SILENT_SECONDS, Owner
from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.journal.pending_runs import OUTPUTS
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.experiment_tags import ExperimentTags
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.store import answering
from mnist_exp.tracking.names import CLAIM_TAG
from mnist_exp.tracking.read.experiment import Experiment

RECORD = "record"  # of the sweep itself: whoever has it writes the parent run
_BEAT_SECONDS = 5.0  # between the signs of life of a claim
_POLL_SECONDS = 0.1


class Claims:
    """The claim of this command, and those of the others."""

    def __init__(self, board: Board, own: Owner, lock: Lock) -> None:
        """Use `join`.

        Args:
            board: where the claims of the sweep stand.
            own: this command.
            lock: that it holds as long as it lives.
        """
        self.own = own
        self.answers = True  # whether the store does, as far as is known
        self._board = board
        self._lock = lock
        self._others: dict[str, Owner] = {}
        self._silence: dict[str, float] = {}  # id -> seconds without a sign of life, by our clock
        self._alive: set[str] = set()  # ids of those that lived since this one looked first
        self._looked = time.monotonic()
        self._writing = threading.RLock()
        self._ended = threading.Event()

    def begin(self) -> None:
        """Writes the claim, and waits for signs of life of commands that may be dead."""
        self._write()
        atexit.register(self.close)
        threading.Thread(target=self._beat, name="sweep-claim", daemon=True).start()
        told: set[str] = set()
        while doubtful := [
            other for other in self._look() if other.id not in self._alive and not other.is_fresh()
        ]:
            for other in doubtful:
                if other.id not in told:
                    say(
                        f"Another command is at sweep {other.sweep}, {other.told()}, or has died: "
                        f"waiting {SILENT_SECONDS:.0f} s for a sign of life.",
                        error=True,
                    )
                told.add(other.id)
            time.sleep(_POLL_SECONDS)

    def settle(self) -> None:
        """Waits for a sign of life of each command that has given none since this one began.

        One that died a moment before that was taken for alive, and is taken away here.
        """
        while any(other.id not in self._alive for other in self.others()) and self.answers:
            time.sleep(_POLL_SECONDS)

    @property
    def leads(self) -> bool:
        """Whether the record of the sweep is this command's."""
        return RECORD in self.own.holds

    def others(self) -> list[Owner]:
        """Returns the other commands; as they were known last, where the store is away.

        One that has come while there was none is known a few seconds later.
        """
        if self.answers and self._others:
            with Attempt():
                return self._look()
            self.answers = False
        return list(self._others.values())

    def take(self, what: str) -> bool:
        """Takes a part of the sweep, unless another command has it or is about to.

        While the store is away, one that knows of no other goes on alone, since none can join it;
        one that knows of another takes nothing.
        """
        if self.answers:
            with Attempt():
                return self._asked(what)
            self.answers = False
        taken = what in self.own.holds  # it is its own, and only could not say so
        if not taken and not self._others:
            taken = True
            self._change(holds=(*self.own.holds, what))
        self._change(wants=None)
        return taken

    def release(self, what: str) -> None:
        """Lets go of a part."""
        self.announce(holds=tuple(held for held in self.own.holds if held != what))

    def announce(self, **changes: Any) -> None:
        """Tells the others something of this command; see `Owner`."""
        self._change(**changes)
        with Attempt():  # the next sign of life says it, too
            self._write()

    def close(self) -> None:
        """Lets go of everything; a second call does nothing."""
        with self._writing:  # a sign of life after this would stay
            if self._ended.is_set():
                return
            self._ended.set()
            with Attempt():  # that of a dead command is found out
                self._board.remove(self.own.id)
        Path(self.own.lock).unlink(missing_ok=True)
        self._lock.release()

    def _asked(self, what: str) -> bool:
        self._change(wants=what)
        self._write()
        while True:
            others = self._look()
            wanting = [other for other in others if other.wants == what]
            lost = any(what in other.holds for other in others)
            lost = lost or any(other.id < self.own.id for other in wanting)
            if lost or not wanting:
                break
            time.sleep(_POLL_SECONDS)
        self._change(wants=None, holds=self.own.holds if lost else (*self.own.holds, what))
        self._write()
        return not lost

    def _look(self) -> list[Owner]:
        """Reads the claims of the others; those that the dead left are taken away."""
        with self._writing:
            found = {}
            before, self._looked = self._looked, time.monotonic()
            passed = min(self._looked - before, 2 * _BEAT_SECONDS)  # the store may have been away
            for name, text in self._board.read().items():
                other = Owner.of(text)
                if other is None or other.sweep != self.own.sweep or other.id == self.own.id:
                    continue
                known = self._others.get(other.id)
                lives = other.lives(self.own.host)
                if lives or (known is not None and known.beat != other.beat):
                    self._alive.add(other.id)
                silent = known is not None and known.beat == other.beat and not lives
                silence = self._silence[other.id] + passed if silent else 0.0
                if lives is False or silence > SILENT_SECONDS:
                    self._board.remove(name)
                else:
                    found[other.id], self._silence[other.id] = other, silence
            self._others = found
            return list(found.values())

    def _change(self, **changes: Any) -> None:
        with self._writing:
            self.own = self.own.model_copy(update=changes)

    def _write(self) -> None:
        with self._writing:
            if not self._ended.is_set():
                self._change(beat=now())
                self._board.write(self.own.id, self.own.model_dump_json())

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            with Attempt() as attempt:
                self._write()
                self._look()
            self.answers = attempt.problem is None


def join(sweep: str, plan: str, outputs: Path, experiment: Experiment) -> Claims:
    """Begins to be at a sweep: as the first, who then has its record, or beside others.

    Args:
        sweep: its name.
        plan: digest of what this command is going to run.
        outputs: where its job folders lie.
        experiment: that records it.

    Raises:
        RequestError: a command with another plan is at it, the folder cannot be written, or the
            store does not answer.
    """
    identity, began = ids.new(), now()
    own = outputs.absolute() / FOLDER
    store = sqlite_path(experiment.uri)
    # Beside a file, which all commands find wherever they were given.
    shared = own if store is None else store.parent / OUTPUTS / FOLDER
    try:
        for folder in {own, shared}:
            folder.mkdir(parents=True, exist_ok=True)
        file = own / f"{identity}.lock"
        lock = Lock.take(file)
    except OSError as problem:
        raise RequestError(
            f"Expected a folder for the jobs that can be written. Received: {problem}. Run the "
            "command from another folder."
        ) from problem
    assert lock is not None
    owner = Owner(
        id=identity,
        sweep=sweep,
        plan=plan,
        host=platform.node(),
        folder=str(Path.cwd()),
        lock=str(file),
        since=began,
        beat=began,
    )
    with answering(experiment.uri):
        board: Board = Files(shared)
        if store is None:
            client = experiment.store.client
            board = ExperimentTags(client, experiment.uri, experiment.name, CLAIM_TAG)
        claims = Claims(board, owner, lock)
        try:
            claims.begin()
            claims.take(RECORD)
            _check(claims)
        except BaseException:
            claims.close()
            raise
    return claims


def _check(claims: Claims) -> None:
    """Refuses to be at a sweep beside commands with another plan."""
    others = claims.others()
    for other in others:
        if other.plan != claims.own.plan and (other.holds or other.wants):
            raise RequestError(
                f"Expected the same jobs, by the same code, as the command that is at sweep "
                f"{other.sweep}: {other.told()}. Received: others. Wait until it has ended, or "
                "choose another sweep.name."
            )
    if others:
        claims.announce(since=min(owner.since for owner in (claims.own, *others)))
