"""A local store, read from MLflow's own SQLite file without MLflow.

MLflow takes a second to be imported and two and a half to find 1,000 runs, which are read here in a
fifth of one. Nothing is written; `preflight` has checked that the tables are those of the
installed MLflow.
"""

import contextlib
import json
import math
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mnist_exp.tracking.mlflow.registry import Version
from mnist_exp.tracking.mlflow.store import CHAMPION, REGISTERED_MODEL
from mnist_exp.tracking.names import JOB_ID_TAG
from mnist_exp.tracking.records import RunRecord

_LOCKED_SECONDS = 5.0
# Runs that came from MLflow's plain folders may have their name in a tag alone.
_NAME = """COALESCE(
    NULLIF(runs.name, ''),
    (SELECT value FROM tags WHERE key = 'mlflow.runName' AND tags.run_uuid = runs.run_uuid),
    ''
)"""
_RUNS = f"""
SELECT run_uuid, {_NAME}, status, COALESCE(start_time, 0), end_time, artifact_uri,
    runs.lifecycle_stage
FROM runs JOIN experiments USING (experiment_id)
WHERE workspace = 'default'
"""  # noqa: S608 - it is the text above
# Field of a record -> its table, and the value there; NULL stands for NaN.
_FIELDS = {
    "params": ("params", "value"),
    "tags": ("tags", "value"),
    "metrics": ("latest_metrics", "CASE WHEN is_nan THEN NULL ELSE value END"),
}
_CHAMPION = """
SELECT version, run_id
FROM registered_model_aliases JOIN model_versions USING (workspace, name, version)
WHERE alias = ? AND name = ? AND workspace = 'default'
"""


class Condition(NamedTuple):
    """What runs have to meet, in SQL."""

    sql: str
    values: tuple[str, ...]


_ACTIVE = Condition("runs.lifecycle_stage = 'active'", ())


def tagged(tag: str, value: str) -> Condition:
    """Returns the condition that a run has a tag of this value."""
    return Condition(
        "run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)", (tag, value)
    )


def without(tag: str) -> Condition:
    """Returns the condition that a run does not have a tag."""
    return Condition("run_uuid NOT IN (SELECT run_uuid FROM tags WHERE key = ?)", (tag,))


def having(tag: str) -> Condition:
    """Returns the condition that a run has a tag."""
    return Condition("run_uuid IN (SELECT run_uuid FROM tags WHERE key = ?)", (tag,))


def called(name: str) -> Condition:
    """Returns the condition that a run has this name."""
    return Condition(f"{_NAME} = ?", (name,))


def beginning(start: str) -> Condition:
    """Returns the condition that the id of a run begins so."""
    return Condition("substr(run_uuid, 1, length(?)) = ?", (start, start))


def search(
    file: Path,
    experiment: str,
    *conditions: Condition,
    limit: int | None = None,
    keys: Collection[str] | None = None,
) -> list[RunRecord]:
    """Returns the runs of an experiment that are not deleted, newest first.

    Args:
        file: the store's; where there is none, there are no runs.
        experiment: its name.
        *conditions: all of which the runs meet.
        limit: how many runs; None for all.
        keys: of the params, tags and metrics that are wanted; None for all.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return _search(file, experiment, (_ACTIVE, *conditions), limit, keys)


def of_job(file: Path, experiment: str, job_id: str) -> RunRecord | None:
    """Returns the run of a job folder, a deleted one too; None where there is none.

    It is looked for in every experiment where its own, which may have another name now, has none.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    of_job = (tagged(JOB_ID_TAG, job_id),)
    found = _search(file, experiment, of_job) or _search(file, None, of_job)
    return min(found, key=lambda run: run.deleted, default=None)


def experiments(file: Path) -> list[tuple[str, str, bool, bool]]:
    """Returns of each experiment its id, its name, whether it is deleted, and whether it has runs.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    sql = (
        "SELECT experiment_id, name, lifecycle_stage <> 'active', EXISTS "
        "(SELECT 1 FROM runs WHERE runs.experiment_id = experiments.experiment_id) "
        "FROM experiments WHERE workspace = 'default'"
    )
    return [(str(key), name, bool(gone), bool(has)) for key, name, gone, has in _rows(file, sql)]


def points(file: Path, run_id: str) -> set[tuple[str, int]]:
    """Returns each metric of a run with each of its steps.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return set(_rows(file, "SELECT DISTINCT key, step FROM metrics WHERE run_uuid = ?", run_id))


def model_places(file: Path, run_ids: Collection[str]) -> list[tuple[str, str]]:
    """Returns run id and place of the logged models of runs.

    Args:
        file: the store's.
        run_ids: of the runs that made them.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    sql = (
        "SELECT source_run_id, artifact_location FROM logged_models "
        "WHERE source_run_id IN (SELECT value FROM json_each(?))"
    )
    return _rows(file, sql, json.dumps(list(run_ids)))


def _search(
    file: Path,
    experiment: str | None,
    conditions: Sequence[Condition],
    limit: int | None = None,
    keys: Collection[str] | None = None,
) -> list[RunRecord]:
    if experiment is not None:
        conditions = (Condition("experiments.name = ?", (experiment,)), *conditions)
    sql = _RUNS + "".join(f"AND {condition.sql}\n" for condition in conditions)
    sql += "ORDER BY start_time DESC, run_uuid LIMIT ?"
    values = [value for condition in conditions for value in condition.values]
    with _open(file) as database:
        if database is None:
            return []
        rows = database.execute(sql, [*values, -1 if limit is None else limit])
        found = {
            run_id: RunRecord(
                run_id=run_id,
                name=name,
                status=status,
                deleted=stage != "active",
                start_time=start,
                end_time=end,
                params={},
                metrics={},
                tags={},
                artifact_uri=artifact_uri,
            )
            for run_id, name, status, start, end, artifact_uri, stage in rows
        }
        if keys is None or keys:
            _fill(database, found, keys)
    return list(found.values())


def champion(file: Path) -> Version | None:
    """Returns the version of the registered model that has the alias; None when there is none.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    rows = _rows(file, _CHAMPION, CHAMPION, REGISTERED_MODEL)
    return Version(str(rows[0][0]), rows[0][1] or None) if rows else None


def _rows(file: Path, sql: str, *values: str) -> list[Any]:
    """Returns what a query finds; nothing where MLflow has made no tables yet."""
    with _open(file) as database:
        return [] if database is None else database.execute(sql, values).fetchall()


@contextlib.contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection | None]:
    """Opens a store in one state of it; None where MLflow has made no tables yet."""
    if not file.exists():
        yield None
        return
    address = f"{file.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, timeout=_LOCKED_SECONDS, uri=True)) as opened:
        opened.execute("BEGIN")
        made = opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone()
        yield opened if made else None


def _fill(
    database: sqlite3.Connection, found: dict[str, RunRecord], keys: Collection[str] | None
) -> None:
    """Adds params, tags and metrics to runs."""
    run_ids = json.dumps(list(found))
    wanted: Sequence[Any] = [] if keys is None else [json.dumps(list(keys))]
    for field, (table, value) in _FIELDS.items():
        # The unary + has SQLite go from run to run where some are asked for, by the index on runs.
        rows = database.execute(
            f"SELECT run_uuid, key, {value} FROM {table} "  # noqa: S608 - both are named above
            "WHERE run_uuid IN (SELECT value FROM json_each(?))"
            + (" AND +key IN (SELECT value FROM json_each(?))" if wanted else ""),
            [run_ids, *wanted],
        )
        fields = {run_id: getattr(run, field) for run_id, run in found.items()}
        for run_id, key, content in rows:
            fields[run_id][key] = math.nan if content is None and field == "metrics" else content
