"""What can happen to a store while a command is at work; each has its undoing."""

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

from faults.round import Round, Undo, nothing


def _files(r: Round) -> list[Path]:
    return list(r.database.parent.glob(f"{r.database.name}*"))


def deleted(r: Round) -> Undo:
    """Its file is gone, and what SQLite keeps beside it."""
    for file in _files(r):
        file.unlink(missing_ok=True)
    return nothing


def truncated(r: Round) -> Undo:
    """Its file is empty."""
    for file in _files(r):
        with contextlib.suppress(FileNotFoundError):
            os.truncate(file, 0)
    return nothing


def older(r: Round) -> Undo:
    """An earlier copy is put in the place of the store when the command has ended."""
    copy = r.project.parent / "older.db"
    if not r.database.exists():
        return nothing
    with contextlib.closing(sqlite3.connect(r.database, timeout=30)) as opened:
        if not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return nothing
        with contextlib.closing(sqlite3.connect(copy)) as target:
            opened.backup(target)

    def put_back() -> None:
        deleted(r)
        copy.rename(r.database)

    return put_back


def locked(r: Round) -> Undo:
    """Another process writes, and does not end."""
    if not r.database.exists():
        return nothing
    opened = sqlite3.connect(r.database, timeout=30, check_same_thread=False)
    with contextlib.suppress(sqlite3.Error):
        opened.execute("BEGIN EXCLUSIVE")
    return opened.close


def read_only(r: Round) -> Undo:
    """Its file and the artifacts cannot be written; root may write what modes forbid."""
    places = [place for place in (r.database, r.project / "mlruns") if place.exists()]
    undone = [_mounted(place) or _without_mode(place) for place in places]

    def undo() -> None:
        for back in undone:
            back()

    return undo


def _mounted(place: Path) -> Undo | None:
    def mount(*options: object) -> bool:
        command = ["mount", *map(str, options)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def unmount() -> None:
        subprocess.run(["umount", "--lazy", str(place)], check=True)

    if not mount("--bind", place, place):
        return None
    if not mount("-o", "remount,bind,ro", place):  # MLflow has put another in its place
        unmount()
        return None
    return unmount


def _without_mode(place: Path) -> Undo:
    mode = place.stat().st_mode
    place.chmod(mode & ~0o222)
    return lambda: place.chmod(mode)


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


def runs_deleted(r: Round) -> Undo:
    """All runs are deleted in MLflow, and restored later."""
    sql = f"UPDATE runs SET lifecycle_stage = '{{}}' WHERE {_OF}"
    return _changed(r, sql.format("deleted"), sql.format("active"))


def experiment_deleted(r: Round) -> Undo:
    """The experiment is deleted in MLflow with its runs, and restored later."""
    sql = "UPDATE experiments SET lifecycle_stage = '{}' WHERE name = ?"
    runs = runs_deleted(r)
    experiment = _changed(r, sql.format("deleted"), sql.format("active"))

    def restore() -> None:
        experiment()
        runs()

    return restore


def points_deleted(r: Round) -> Undo:
    """Somebody cleans up a part of the runs that go on."""
    runs = f"SELECT run_uuid FROM runs WHERE status = 'RUNNING' AND {_OF}"
    return _changed(r, f"DELETE FROM metrics WHERE run_uuid IN ({runs})", "SELECT ?")
