"""Folders with runs: copied together with their store, and read."""

import contextlib
import io
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from mnist_exp.tracking.journal import pending_runs
from mnist_exp.tracking.mlflow.location import sqlite_uri
from mnist_exp.tracking.mlflow.relocation import relocate
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.records import RunRecord

# Little training, and no pictures, which take half a second of a core.
SMOKE = ("training=smoke", "tracking.plots=false")
# What trains within a second.
SMALL = ("data=digits", *SMOKE, "model=seed_mlp")
SWEEP = ("train", "-m", *SMALL, "seed=0,1")
# Epochs of some 50 ms, each with a checkpoint, so that a kill falls among them.
MLP = ("data=digits", *SMOKE, "model=mlp", "model.hidden_units=[64,32]")
EPOCHS = 25
MEMBER = (*MLP, f"training.epochs={EPOCHS}")
ENSEMBLE = (*MEMBER, "ensemble.members=2", "seed=1")


def store(folder: Path) -> Store:
    """Returns the store of a folder."""
    return Store(sqlite_uri(folder / "mlflow.db"), "mnist")


def only_run(folder: Path) -> RunRecord:
    """Returns the one run of a folder."""
    (record,) = store(folder).search()
    return record


def history(folder: Path, record: RunRecord, metric: str) -> list[tuple[int, float]]:
    """Returns each step of a metric with its value."""
    points = store(folder).client.get_metric_history(record.run_id, metric)
    return [(point.step, point.value) for point in points]


def artifact(store: Store, run_id: str, path: str = "") -> Path:
    """Returns an artifact of a run, or all of them, as MLflow itself finds it."""
    from mlflow.artifacts import download_artifacts  # not all who import this need it

    place = f"{store.artifact_uri(run_id)}/{path}"
    return Path(download_artifacts(artifact_uri=place, tracking_uri=store.uri))


def artifacts(folder: Path, record: RunRecord) -> dict[str, Path]:
    """Returns the artifacts of a run: name -> file."""
    root = artifact(store(folder), record.run_id)
    return {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_file()}


def change(folder: Path, what: str, values: Sequence[str]) -> None:
    """Changes rows of a folder's store behind MLflow's back: `UPDATE <what>`."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        assert database.execute(f"UPDATE {what}", values).rowcount > 0


def copied(folder: Path, target: Path) -> Path:
    """Copies a folder with its runs, and tells the copied store where they lie now.

    Args:
        folder: with runs.
        target: may exist.

    Returns:
        The copy.
    """
    # Another worker may be reading the store, whose other files come and go with that.
    shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mlflow.db*"))
    with (
        contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as source,
        contextlib.closing(sqlite3.connect(target / "mlflow.db")) as copy,
    ):
        source.backup(copy)
    pending = {marker.job_id for marker in pending_runs.pending(target)}
    with contextlib.redirect_stderr(io.StringIO()):
        relocate(target / "mlflow.db")
    for marker in pending_runs.pending(target):
        if marker.job_id not in pending:  # nobody wrote there meanwhile
            pending_runs.remove(target, marker.job_id)
    return target
