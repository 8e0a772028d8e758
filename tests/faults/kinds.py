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
from collections.abc import Callable
from pathlib import Path

from faults import stores
from faults.checks import processes
from faults.round import Round, Undo, nothing
from mnist_exp.runs.fit import CHECKPOINT

DATA = "images"  # the folder of the data that a round reads, in its project

# Signals


def _signal(number: int, times: int = 1) -> Callable[[Round], Undo]:
    def send(r: Round) -> Undo:
        for _ in range(times):
            r.process.send_signal(number)
        return nothing

    return send


def _kill_all(r: Round) -> Undo:
    """The command, its workers and their helpers."""
    for line in processes(r.project):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    return nothing


def _kill_child(words: str) -> Callable[[Round], Undo]:
    def kill(r: Round) -> Undo:
        found = [line.split()[0] for line in processes(r.project) if words in line]
        for process_id in r.rng.sample(found, min(1, len(found))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process_id), signal.SIGKILL)
        return nothing

    return kill


# Disks


def _file_limit(r: Round) -> Undo:
    """No file of the command, nor of its helper, may grow any more."""
    largest = max((file.stat().st_size for file in r.journals()), default=0)
    found = [int(line.split()[0]) for line in processes(r.project)]
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


# Servers


def _stopped(r: Round) -> Undo:
    assert r.server is not None
    r.server.down()
    up: Undo = r.server.up
    return up


def _emptied(r: Round) -> Undo:
    r.damage = "sent without what is gone"  # what it had taken and confirmed before
    assert r.server is not None
    r.server.down()
    stores.deleted(r)
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


def _flip(file: Path, rng: random.Random) -> Callable[[], bool]:
    """Flips a bit; returns what puts the file back, where it was neither mended nor removed."""
    before = file.read_bytes()
    damaged = bytearray(before)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    file.write_bytes(damaged)

    def restore() -> bool:
        same = file.exists() and file.read_bytes() == damaged
        if same:
            file.write_bytes(before)
        return same

    return restore


def _journal_damaged(r: Round) -> Undo:
    r.kill()
    for file in r.journals()[-1:]:
        r.damage, r.restore = "is damaged", _flip(file, r.rng)
    return nothing


def _checkpoint_damaged(r: Round) -> Undo:
    r.kill()
    # Workers that outlive the command for a moment remove what they have finished with.
    folders = (Path(folder) for folder, _, _ in os.walk(r.project / "outputs"))
    files = sorted(folder / CHECKPOINT for folder in folders if (folder / CHECKPOINT).is_file())
    if files:
        _flip(r.rng.choice(files), r.rng)
    return nothing


def _data_damaged(r: Round) -> Undo:
    """The data that a run has begun with are others when it goes on."""
    r.kill()
    if any(b'"event": "dataset"' in file.read_bytes() for file in r.journals()):
        r.restore = _flip(r.rng.choice(sorted((r.project / DATA).iterdir())), r.rng)
    return nothing


# Clocks


def faketime() -> Path | None:
    """Returns Debian's libfaketime, which gives processes another clock; None where it is not."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _clock_set_back(r: Round) -> Undo:
    """What is started from now on has a clock that goes five hours after."""
    r.environment["LD_PRELOAD"] = str(faketime())
    # Python would compile every module anew whose file is of the future.
    r.environment |= {"FAKETIME": "-5h", "NO_FAKE_STAT": "1", "FAKETIME_DISABLE_SHM": "1"}
    return nothing


# Projects


def _copied(r: Round) -> Undo:
    """A copy is made while the command works; what it finds there is looked at by `faults`."""
    copy = r.project.parent / "copy"
    with contextlib.suppress(shutil.Error):  # files come and go
        shutil.copytree(r.project, copy)
    r.copies.append(copy)
    r.damage = "sent without what is gone"  # what went from one folder to another behind its back
    return nothing


def _moved(r: Round) -> Undo:
    r.kill()
    r.project = r.project.rename(r.project.with_name("moved"))
    return nothing


_KILL = _signal(signal.SIGKILL)
# Kills that come when journals have a text once more, and the text.
PHASES = {
    "kill -9 in training": b'"step": ',
    "kill -9 in evaluation": b'"step": 12, ',  # the last epoch
    "kill -9 amid artifacts": b'"event": "artifact"',
    "kill -9 at the end": b'"event": "end"',
}
LOCAL: dict[str, Callable[[Round], Undo]] = {
    "kill -9": _KILL,
    **dict.fromkeys(PHASES, _KILL),
    "all killed": _kill_all,
    "helper killed": _kill_child("sidecar"),
    "SIGTERM": _signal(signal.SIGTERM),
    "Ctrl-C": _signal(signal.SIGINT),
    "Ctrl-C twice": _signal(signal.SIGINT, 2),
    "file-size limit": _file_limit,
    "disk full": _disk_full,
    "store deleted": stores.deleted,
    "store truncated": stores.truncated,
    "store read-only": stores.read_only,
    "older store": stores.older,
    "store locked": stores.locked,
    "runs deleted": stores.runs_deleted,
    "experiment deleted": stores.experiment_deleted,
    "points deleted": stores.points_deleted,
    "journal damaged": _journal_damaged,
    "checkpoint damaged": _checkpoint_damaged,
    "data damaged": _data_damaged,
    "project copied": _copied,
    "project moved": _moved,
    "kill -9, clock set back": lambda r: (_KILL(r), _clock_set_back(r))[1],
}
PARALLEL: dict[str, Callable[[Round], Undo]] = {"worker killed": _kill_child("spawn_main")}
SERVER: dict[str, Callable[[Round], Undo]] = {
    "server stopped": _stopped,
    "server frozen": _frozen,
    "server emptied": _emptied,
    "server slow": _answers("slow"),
    "server answers 500": _answers("500"),
    "server answers 401": _answers("401"),
    "kill -9, server stopped": lambda r: (_KILL(r), _stopped(r))[1],
}
ALL = {**LOCAL, **PARALLEL, **SERVER}
FRESH = ("helper killed", "worker killed")  # forks cannot be told from each other
