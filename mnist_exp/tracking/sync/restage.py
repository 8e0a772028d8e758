"""Files of a run that its store has forgotten, where they lie on: they can be sent once more.

Who deletes `mlflow.db` alone keeps `mlruns/`, in which a run's files stand under its MLflow run id.
"""

import re
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from mnist_exp.core import plain_yaml
from mnist_exp.tracking.journal import staging
from mnist_exp.tracking.journal.events import Artifact, Event, Model
from mnist_exp.tracking.mlflow.artifact_root import FOLDER
from mnist_exp.tracking.mlflow.location import sqlite_path

_RUN_ID = re.compile(r"[0-9a-f]{32}")  # it becomes a path


def restage(job_dir: Path, events: Iterable[Event], uri: str, run_id: str) -> None:
    """Stages again what a run told of, where it lies beside a local store and is the same.

    Args:
        job_dir: the job folder.
        events: of its journal.
        uri: of the store, as `location.resolve` returns it.
        run_id: under which the store had the run.
    """
    store = sqlite_path(uri)
    if store is None or not _RUN_ID.fullmatch(run_id):
        return
    kept = store.parent / FOLDER
    for event in events:
        if not isinstance(event, Artifact | Model) or not staging.is_own(job_dir, event.path):
            continue
        place = job_dir / staging.FOLDER / event.path
        if place.exists():
            continue
        if isinstance(event, Model):
            for folder in _models(kept, run_id):
                shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
            continue
        for folder in kept.glob(f"*/{run_id}/artifacts"):
            file = folder / event.path
            if file.is_file() and staging.digest_of(file) == event.sha256:
                staging.stage(job_dir, event.path, partial(shutil.copyfile, file))


def _models(kept: Path, run_id: str) -> Iterable[Path]:
    """Yields the folders of the models that a run logged."""
    for description in kept.glob("*/models/*/artifacts/MLmodel"):
        try:
            told = plain_yaml.load(description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and told.get("run_id") == run_id:
            yield description.parent
