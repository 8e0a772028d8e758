"""What can happen to a command at work and to what is around it; each has its undoing.

A kind is a function that does the harm to a `Round` and returns what puts the surroundings right
again before the commands are given once more. None of them touches anything but the round's own
folder, processes and server.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_checks import processes
from fault_proxy import Proxy
from servers import MlflowServer

from mnist_exp.runs.fit import CHECKPOINT
from mnist_exp.tracking import journal

Undo = Callable[[], None]


@dataclass
class Round:
    """One command at work, and what is around it."""

    number: str
    project: Path
    experiment: str
    process: Any  # the command, as `invoke.start` returns it
    rng: random.Random
    server: MlflowServer | None = None
    proxy: Proxy | None = None
    expects_damage: str = "\0"  # words in which a command may refuse to go on
    copies: list[Path] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The file of the store, or of the server's."""
        return self.project / "mlflow.db" if self.server is None else self.server.database

    def journals(self) -> list[Path]:
        """The journals of the project, in the order of their names."""
        return sorted(self.project.glob("outputs/**/" + journal.FILE_NAME))


def _nothing() -> None:
    pass


# Signals


def _signal(number: int, times: int = 1) -> Callable[[Round], Undo]:
    def send(r: Round) -> Undo:
        for _ in range(times):
            r.process.send_signal(number)
        return _nothing

    return send


def _kill_child(words: str) -> Callable[[Round], Undo]:
    def kill(r: Round) -> Undo:
        found = [line.split()[0] for line in processes(r.number) if words in line]
        for process_id in r.rng.sample(found, min(1, len(found))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process_id), signal.SIGKILL)
        return _nothing

    return kill


# Disks


def _file_limit(r: Round) -> Undo:
    """No file of the command, nor of its helper, may grow any more."""
    largest = max((file.stat().st_size for file in r.journals()), default=0)
    found = [int(line.split()[0]) for line in processes(r.number)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for process_id in found:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, (largest, before[1]))

    def lift() -> None:
        for process_id in found:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process_id, resource.RLIMIT_FSIZE, before)

    return lift


def _disk_full(r: Round) -> Undo:
    """The rest of the project's own file system is taken; see `faults._small_disk`."""
    ballast = r.project.parent / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))

    return ballast.unlink


# Stores


def _store_files(r: Round) -> list[Path]:
    return list(r.database.parent.glob(f"{r.database.name}*"))


def _store_deleted(r: Round) -> Undo:
    for file in _store_files(r):
        file.unlink(missing_ok=True)
    return _nothing


def _store_truncated(r: Round) -> Undo:
    for file in _store_files(r):
        with contextlib.suppress(FileNotFoundError):
            os.truncate(file, 0)
    return _nothing


def _store_older(r: Round) -> Undo:
    """An earlier copy is put in the place of the store when the command has ended."""
    copy = r.project.parent / "older.db"
    if not r.database.exists():
        return _nothing
    with contextlib.closing(sqlite3.connect(r.database, timeout=30)) as opened:
        if not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return _nothing
        with contextlib.closing(sqlite3.connect(copy)) as target:
            opened.backup(target)

    def put_back() -> None:
        _store_deleted(r)
        copy.rename(r.database)

    return put_back


def _store_locked(r: Round) -> Undo:
    """Another process writes, and does not end."""
    if not r.database.exists():
        return _nothing
    opened = sqlite3.connect(r.database, timeout=30, check_same_thread=False)
    with contextlib.suppress(sqlite3.Error):
        opened.execute("BEGIN EXCLUSIVE")
    return opened.close


def _changed(r: Round, sql: str, back: str) -> Undo:
    def execute(statement: str) -> None:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(r.database, timeout=30)) as opened,
            opened,
        ):
            opened.execute(statement, [r.experiment])

    execute(sql)
    return lambda: execute(back)


_OF = "experiment_id IN (SELECT experiment_id FROM experiments WHERE name = ?)"


def _runs_deleted(r: Round) -> Undo:
    sql = f"UPDATE runs SET lifecycle_stage = '{{}}' WHERE {_OF}"  # noqa: S608 - both are ours
    return _changed(r, sql.format("deleted"), sql.format("active"))


def _experiment_deleted(r: Round) -> Undo:
    sql = "UPDATE experiments SET lifecycle_stage = '{}' WHERE name = ?"
    runs = _runs_deleted(r)
    experiment = _changed(r, sql.format("deleted"), sql.format("active"))

    def restore() -> None:
        experiment()
        runs()

    return restore


def _points_deleted(r: Round) -> Undo:
    """Somebody cleans up a part of the runs that go on."""
    runs = f"SELECT run_uuid FROM runs WHERE status = 'RUNNING' AND {_OF}"  # noqa: S608 - ours
    return _changed(r, f"DELETE FROM metrics WHERE run_uuid IN ({runs})", "SELECT ?")  # noqa: S608


# Servers


def _stopped(r: Round) -> Undo:
    assert r.server is not None
    r.server.down()
    up: Undo = r.server.up
    return up


def _emptied(r: Round) -> Undo:
    assert r.server is not None
    r.server.down()
    _store_deleted(r)
    up: Undo = r.server.up
    return up


def _frozen(r: Round) -> Undo:
    assert r.server is not None
    r.server.freeze()
    thaw: Undo = r.server.thaw
    return thaw


def _answers(mode: str) -> Callable[[Round], Undo]:
    def answer(r: Round) -> Undo:
        assert r.proxy is not None
        proxy = r.proxy
        proxy.mode = mode

        def again() -> None:
            proxy.mode = "pass"

        return again

    return answer


# Damage, after the command was killed


def _flip(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        position = rng.randrange(len(content))
        content[position] ^= 1 << rng.randrange(8)
        file.write_bytes(content)


def _journal_damaged(r: Round) -> Undo:
    r.process.kill()
    r.process.wait()
    for file in r.journals()[-1:]:
        _flip(file, r.rng)
    r.expects_damage = "is damaged"
    return _nothing


def _checkpoint_damaged(r: Round) -> Undo:
    r.process.kill()
    r.process.wait()
    for file in sorted(r.project.glob(f"outputs/**/{CHECKPOINT}"))[-1:]:
        _flip(file, r.rng)
    r.expects_damage = "trains this member again"
    return _nothing


# Projects


def _copied(r: Round) -> Undo:
    """A copy is made while the command works; what it finds there is looked at by `faults`."""
    copy = r.project.parent / "copy"
    with contextlib.suppress(shutil.Error):  # files come and go
        shutil.copytree(r.project, copy)
    r.copies.append(copy)
    return _nothing


def _moved(r: Round) -> Undo:
    r.process.kill()
    r.process.wait()
    r.project = r.project.rename(r.project.with_name("moved"))
    return _nothing


LOCAL: dict[str, Callable[[Round], Undo]] = {
    "kill -9": _signal(signal.SIGKILL),
    "helper killed": _kill_child("sidecar"),
    "SIGTERM": _signal(signal.SIGTERM),
    "Ctrl-C": _signal(signal.SIGINT),
    "Ctrl-C twice": _signal(signal.SIGINT, 2),
    "file-size limit": _file_limit,
    "disk full": _disk_full,
    "store deleted": _store_deleted,
    "store truncated": _store_truncated,
    "older store": _store_older,
    "store locked": _store_locked,
    "runs deleted": _runs_deleted,
    "experiment deleted": _experiment_deleted,
    "points deleted": _points_deleted,
    "journal damaged": _journal_damaged,
    "checkpoint damaged": _checkpoint_damaged,
    "project copied": _copied,
    "project moved": _moved,
}
PARALLEL: dict[str, Callable[[Round], Undo]] = {"worker killed": _kill_child("spawn_main")}
SERVER: dict[str, Callable[[Round], Undo]] = {
    "server stopped": _stopped,
    "server frozen": _frozen,
    "server emptied": _emptied,
    "server slow": _answers("slow"),
    "server answers 500": _answers("500"),
    "server answers 401": _answers("401"),
    "kill -9, server stopped": lambda r: (_signal(signal.SIGKILL)(r), _stopped(r))[1],
}
