"""Deciding what to skip among 10,000 finished runs.

One job of the sweep is run, and its rows in MLflow's store are repeated for all the others, each
with the seed, the number and the key that mnist_exp would have given it.
"""

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from measuring import MNIST_EXP, Line, progress, run

from mnist_exp.config.compose import Composer
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.record import flatten
from mnist_exp.core import cache, ids
from mnist_exp.sweeps.plan import Draft, Plan
from mnist_exp.sweeps.results.records import JOB_PARAM
from mnist_exp.tracking.names import JOB_ID_TAG, KEY_TAG, OVERRIDES_TAG

DECIDING_SECONDS = 3.0
SWEEP = ("model=seed_mlp", "training=smoke", "sweep.name=finished")
TABLES = ("runs", "tags", "params", "latest_metrics", "metrics")


def measure_deciding(folder: Path, runs: int, jobs: int) -> list[Line]:
    """Measures a sweep whose jobs have all finished.

    Args:
        folder: an empty one.
        runs: how often.
        jobs: how many have finished.

    Returns:
        Lines of seconds.
    """
    found = os.environ.get("MNIST_EXP_DATA") or str(cache.folder("datasets/mnist"))
    environment = {"MNIST_EXP_DATA": found}
    run((MNIST_EXP, "train", "-m", *SWEEP, "seed=range(0,1)"), folder, environment=environment)
    sweep = (*SWEEP, f"seed=range(0,{jobs})")
    fill(folder / "mlflow.db", Plan(SweepComposer(Composer(), sweep)).grid)
    progress(f"{jobs:,} runs in the store")
    decide = (MNIST_EXP, "train", "-m", "--dry-run", *sweep)
    times = []
    for number in range(runs):
        times.append(run(decide, folder, environment=environment).seconds)
        progress(f"deciding, {number + 1} of {runs}: {times[-1]:.1f} s")
    return [Line(f"train -m --dry-run, {jobs:,} jobs finished", "s", times, DECIDING_SECONDS)]


def fill(store: Path, drafts: Sequence[Draft]) -> None:
    """Lets every job have finished as the only one in the store has.

    Args:
        store: an SQLite file of MLflow's, with one job, the first of the drafts.
        drafts: all jobs.
    """
    twins = [twin(number, draft) for number, draft in enumerate(drafts)][1:]
    database = sqlite3.connect(store)
    database.row_factory = sqlite3.Row
    with database:
        run_id = database.execute(
            "SELECT run_uuid FROM tags WHERE key = ? AND value = ?", (KEY_TAG, drafts[0].key)
        ).fetchone()[0]
        for table in TABLES:
            query = f"SELECT * FROM {table} WHERE run_uuid = ?"  # noqa: S608 - of TABLES
            rows = [dict(row) for row in database.execute(query, (run_id,))]
            places = ", ".join(f":{column}" for column in rows[0])
            copies = (row | changes(row, twin) for twin in twins for row in rows)
            database.executemany(f"INSERT INTO {table} VALUES ({places})", copies)  # noqa: S608
    database.close()


def twin(number: int, draft: Draft) -> dict[str, Any]:
    """Returns what the run of a job has for its own: tags and params by key, and `run_uuid`."""
    return flatten(draft.config) | {
        "run_uuid": uuid4().hex,
        KEY_TAG: draft.key,
        OVERRIDES_TAG: json.dumps(draft.assignment.overrides),
        JOB_ID_TAG: ids.new(),
        JOB_PARAM: str(number),
    }


def changes(row: Mapping[str, Any], twin: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a row of the first job has otherwise in the run of another one."""
    changed = {"run_uuid": twin["run_uuid"]}
    if row.get("key") in twin:
        changed["value"] = twin[row["key"]]
    return changed
