"""A local copy of the runs of one experiment, because searching MLflow takes seconds.

MLflow stays the truth: the copy is refreshed by what is new there, and can be rebuilt at any time.
Who changes a run after it ended, as `evaluate` does, invalidates it here; what was changed in the
MLflow UI arrives with `rebuild`. Who writes to a local store, with MLflow loaded, ends with
`catch_up`: the next command then reads the copy without it.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from mnist_exp.core import cache
from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.registry import Version
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import SPACE_TAG
from mnist_exp.tracking.records import RunRecord

_VERSION = 5
# Runs that end while another process ends too may reach MLflow in another order than their times.
_OVERLAP_MS = 2 * 60 * 1000
_IDS_A_QUERY = 100
_TRIES = 3
_OPEN_STATES = {"RUNNING", "SCHEDULED"}
_IDS = {
    "all": "SELECT run_id FROM runs WHERE experiment = ?",
    "doubtful": "SELECT run_id FROM runs WHERE experiment = ? AND (open OR deleted)",
}
_SCHEMA = """
CREATE TABLE runs (
    experiment TEXT, run_id TEXT, start_time INTEGER, end_time INTEGER,
    open INTEGER, deleted INTEGER, tags TEXT, record TEXT, PRIMARY KEY (experiment, run_id)
);
CREATE INDEX newest ON runs (experiment, deleted, start_time);
CREATE TABLE state (
    experiment TEXT PRIMARY KEY, store TEXT, seen INTEGER, champion TEXT, identity TEXT
);
"""


class Index:
    """The runs of one experiment of one store."""

    def __init__(self, uri: str, experiment: str, database: sqlite3.Connection) -> None:
        """Reads and writes an open database; use `open`."""
        self.uri = uri
        self.experiment = experiment
        self.store = Store(uri, experiment)
        self._database = database

    @classmethod
    def open(cls, uri: str, experiment: str) -> "Index":
        """Opens the copy in the user's cache folder, or one in memory where that is not writable.

        Args:
            uri: A tracking URI as `location.resolve` returns it.
            experiment: The name of the experiment.
        """
        return cls(uri, experiment, _open(_cache_file(uri)))

    def refresh(self) -> None:
        """Fetches what is new in MLflow; without loading it when a local store is unchanged.

        Raises:
            Exception: What MLflow raises when it is out of reach. The copy is as it was.
        """
        for tries in range(1, _TRIES + 1):
            before = self._state()
            store_state = _state_of(self.uri)
            if store_state == before.store != "remote":
                return
            runs: list[RunRecord] = []
            gone: Iterable[str] = self._ids("all")
            identity = ""
            if store_state != "absent":
                _checkpoint(self.uri)
                store_state = _state_of(self.uri)
                identity = self.store.identity()
                if identity == before.identity:
                    runs, gone = self._news(before.seen)
                else:
                    runs, gone = self._all()
            # What another process wrote meanwhile may be newer.
            expected = None if tries == _TRIES else before
            if self._write(runs, gone, store_state, expected, identity):
                return

    def rebuild(self) -> None:
        """Forgets everything and fetches it anew."""
        self._write([], self._ids("all"), "")
        self.refresh()

    def invalidate(self, run_id: str) -> None:
        """Has the next `refresh` fetch a run that changed after it ended, or was sent late."""
        with self._database as database:
            database.execute(
                "INSERT INTO runs VALUES (?, ?, 0, 0, TRUE, TRUE, '{}', '{}') "
                "ON CONFLICT (experiment, run_id) DO UPDATE SET open = TRUE",
                [self.experiment, run_id],
            )
            database.execute("UPDATE state SET store = '' WHERE experiment = ?", [self.experiment])

    def catch_up(self) -> None:
        """Refreshes the copy of a local store, so that the next command need not load MLflow.

        Where that fails, and for other stores, it is left to the next command.
        """
        if sqlite_path(self.uri) is not None and not self._in_memory:
            with Attempt():
                self.refresh()
                self.champion()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Returns the runs that are not deleted, newest first, without the parents of sweeps."""
        rows = self._database.execute(
            "SELECT tags, record FROM runs WHERE experiment = ? AND NOT deleted "
            "AND json_extract(tags, ?) IS NULL ORDER BY start_time DESC, run_id LIMIT ?",
            [self.experiment, _path(SPACE_TAG), -1 if limit is None else limit],
        )
        return [_decode(*row) for row in rows]

    def tagged(self, tag: str, value: str) -> list[RunRecord]:
        """Returns the runs with a tag of this value that are not deleted, newest first."""
        rows = self._database.execute(
            "SELECT tags, record FROM runs WHERE experiment = ? AND NOT deleted "
            "AND json_extract(tags, ?) = ? ORDER BY start_time DESC, run_id",
            [self.experiment, _path(tag), value],
        )
        return [_decode(*row) for row in rows]

    def get(self, run_id: str) -> RunRecord | None:
        """Returns one run; None when it is deleted or unknown."""
        row = self._database.execute(
            "SELECT tags, record FROM runs WHERE experiment = ? AND run_id = ? AND NOT deleted",
            [self.experiment, run_id],
        ).fetchone()
        return None if row is None else _decode(*row)

    def champion(self) -> Version | None:
        """Returns the champion, asked for once after each `refresh`; None when there is none.

        Raises:
            Exception: What MLflow raises when it is out of reach.
        """
        state = self._state()
        if state.champion is not None:
            values = json.loads(state.champion)
            return values and Version(**values)
        champion = registry.champion(self.store)
        text = json.dumps(champion and asdict(champion))
        # It is not kept where another process knows of a newer state of the store by now.
        with contextlib.suppress(sqlite3.Error), self._database as database:
            database.execute(
                "UPDATE state SET champion = ? WHERE experiment = ? AND store = ?",
                [text, self.experiment, state.store],
            )
        return champion

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.runs())

    def __len__(self) -> int:
        row = self._database.execute(
            "SELECT COUNT(*) FROM runs WHERE experiment = ? AND NOT deleted", [self.experiment]
        ).fetchone()
        return int(row[0])

    def _all(self) -> tuple[list[RunRecord], set[str]]:
        """Returns every run, and the ids of those that MLflow does not have."""
        runs = [*self.store.search(), *self.store.search(deleted=True)]
        return runs, set(self._ids("all")) - {run.run_id for run in runs}

    def _news(self, seen: int) -> tuple[list[RunRecord], set[str]]:
        """Returns the runs that are new or changed, and the ids of those that MLflow lost."""
        store = self.store
        since = max(seen - _OVERLAP_MS, 0)
        if since:
            runs = list(store.search(f"attributes.end_time > {since}"))
            runs += store.search("attributes.status = 'RUNNING'")
        else:
            runs = list(store.search())
        deleted = list(store.search(deleted=True))
        # Open ones may have ended long ago, and deleted ones may have been restored.
        fetched = {run.run_id for run in runs + deleted}
        others, gone = self._fetch(set(self._ids("doubtful")) - fetched)
        return runs + deleted + others, gone

    def _fetch(self, run_ids: Iterable[str]) -> tuple[list[RunRecord], set[str]]:
        """Returns these runs, and the ids of those that MLflow has no more."""
        waiting = list(run_ids)
        found = []
        for first in range(0, len(waiting), _IDS_A_QUERY):
            names = ", ".join(f"'{run_id}'" for run_id in waiting[first : first + _IDS_A_QUERY])
            found += list(self.store.search(f"attributes.run_id IN ({names})"))
        return found, set(waiting) - {run.run_id for run in found}

    def _ids(self, condition: str) -> list[str]:
        rows = self._database.execute(_IDS[condition], [self.experiment])
        return [run_id for (run_id,) in rows]

    def _write(
        self,
        runs: Iterable[RunRecord],
        gone: Iterable[str],
        store_state: str,
        before: "_State | None" = None,
        identity: str = "",
    ) -> bool:
        """Writes what was fetched.

        Args:
            runs: New or changed.
            gone: Ids of runs that MLflow has no more.
            store_state: Before they were fetched.
            before: What the copy must still be at; None writes whatever it is at.
            identity: Of the experiment that they were fetched from.

        Returns:
            Whether it wrote.
        """
        rows = [
            (
                self.experiment,
                run.run_id,
                run.start_time,
                run.end_time or run.start_time,
                run.status in _OPEN_STATES,
                run.deleted,
                *_encode(run),
            )
            for run in runs
        ]
        losses = [(self.experiment, run_id) for run_id in gone]
        with self._database as database:
            database.execute("BEGIN IMMEDIATE")
            if before is not None and self._state()[:2] != before[:2]:
                return False
            database.executemany(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            database.executemany("DELETE FROM runs WHERE experiment = ? AND run_id = ?", losses)
            newest = database.execute(
                "SELECT MAX(end_time) FROM runs WHERE experiment = ? AND NOT open",
                [self.experiment],
            ).fetchone()[0]
            # A clock that ran ahead must not hide the runs of clocks that do not.
            seen = min(newest or 0, now())
            database.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?, NULL, ?)",
                [self.experiment, store_state, seen, identity],
            )
        return True

    def _state(self) -> "_State":
        row = self._database.execute(
            "SELECT store, seen, champion, identity FROM state WHERE experiment = ?",
            [self.experiment],
        ).fetchone()
        return _State(*row) if row else _State("", 0, None, "")

    @property
    def _in_memory(self) -> bool:
        return not self._database.execute("PRAGMA database_list").fetchone()[2]


class _State(NamedTuple):
    """What a copy is of."""

    store: str  # what `_state_of` said of it
    seen: int  # the end of the newest run, in unix milliseconds
    champion: str | None  # as JSON; None when it is not known
    identity: str  # of the experiment; "" where it was not there


def _path(tag: str) -> str:
    """Returns where SQLite finds a tag among those of a run."""
    return f'$."{tag}"'


def _cache_file(uri: str) -> Path:
    digest = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return cache.folder("index") / f"{digest}.sqlite3"


def _open(file: Path) -> sqlite3.Connection:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            return _usable(sqlite3.connect(file, timeout=10.0))
        except sqlite3.Error as problem:
            if "locked" in str(problem) or not file.is_file():
                break
        try:
            file.unlink()  # broken, or another version's: made anew
        except OSError:
            break
    return _usable(sqlite3.connect(":memory:"))


def _usable(database: sqlite3.Connection) -> sqlite3.Connection:
    """Returns the database with its tables.

    Raises:
        sqlite3.Error: It is broken, not writable, or of another version.
    """
    try:
        with database:
            database.execute("BEGIN IMMEDIATE")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"version {version}")
        database.execute("SELECT COUNT(*) FROM runs").fetchone()
        database.execute("SELECT COUNT(*) FROM state").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _checkpoint(uri: str) -> None:
    """Moves what SQLite keeps in its log into its file, so that no reader does so later.

    That would look like a change of the store, and cost the next command MLflow's import.
    """
    path = sqlite_path(uri)
    if path is None or not path.exists():
        return
    with (
        contextlib.suppress(sqlite3.Error),  # MLflow itself will say what is wrong
        contextlib.closing(sqlite3.connect(path, timeout=1.0)) as database,
    ):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _state_of(uri: str) -> str:
    """Returns what changes when a local store does; "absent" or "remote" where that is so."""
    path = sqlite_path(uri)
    if path is None:
        return "remote"
    parts: list[Any] = []
    for file in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(FileNotFoundError):
            status = file.stat()
            # An empty log comes and goes with its readers.
            parts += [status.st_mtime_ns, status.st_size] if status.st_size else []
    return json.dumps(parts) if parts else "absent"


def _encode(run: RunRecord) -> tuple[str, str]:
    """Returns the tags, and the rest, which SQLite could not search: no JSON of its has NaN."""
    fields = asdict(run)
    return json.dumps(fields.pop("tags")), json.dumps(fields)


def _decode(tags: str, record: str) -> RunRecord:
    return RunRecord(tags=json.loads(tags), **json.loads(record))
