"""A local store in another folder than the one that it was made in: copied, moved or unpacked.

MLflow keeps the places of artifacts as absolute paths, so that a copied project would write into
its original. The places of the store's own folder are written anew, in MLflow's own tables, once.
A copy may have been made while its runs were written, so that they are marked as not known to be
complete.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from mnist_exp.core import ids
from mnist_exp.core.terminal import say
from mnist_exp.core.text import counted
from mnist_exp.tracking.journal import pending_runs
from mnist_exp.tracking.mlflow.artifact_root import FOLDER, local_folder, recorded
from mnist_exp.tracking.names import JOB_ID_TAG

_LOCKED_SECONDS = 30.0
# MLflow's default experiment, which each store has from its beginning: it tells where that was.
_ORIGIN = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
_JOB_IDS = """
SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = ? AND lifecycle_stage = 'active'
"""
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(file: Path) -> None:
    """Has a store that was copied or moved keep its artifacts beside itself, and says so.

    Args:
        file: the store's SQLite file, with the tables of the installed MLflow.

    Raises:
        sqlite3.Error: the file cannot be read or written.
    """
    with contextlib.closing(sqlite3.connect(file, timeout=_LOCKED_SECONDS)) as database:
        if _moved_from(database, file) is None:
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            origin = _moved_from(database, file)
            if origin is None:  # another process was faster
                return
            runs = _rewrite(database, origin / FOLDER, file.parent / FOLDER)
            job_ids = [job_id for (job_id,) in database.execute(_JOB_IDS, [JOB_ID_TAG])]
            for job_id in filter(ids.is_id, job_ids):  # before it counts as adjusted
                job_dir = file.parent / pending_runs.OUTPUTS / job_id
                if job_dir.is_dir():
                    pending_runs.add(file.parent, job_id, job_dir)
    if runs:
        say(
            f"This project was copied or moved: the artifacts of {counted(runs, 'run')} are looked "
            f"for in {file.parent / FOLDER} from now on, and no longer in {origin / FOLDER}; they "
            "are read back once.",
            error=True,
        )


def _moved_from(database: sqlite3.Connection, file: Path) -> Path | None:
    """Returns the folder that a store was made in, if that is another and it did not stay there."""
    row = database.execute(_ORIGIN).fetchone()
    default = local_folder(row[0] or "") if row else None
    if default is None or default.parent.name != FOLDER:
        return None
    origin, here = default.parent.parent, file.parent
    if origin == here or _same(origin, here):
        return None
    # MLflow puts the artifacts of a store that it makes itself below its working folder, wherever
    # the file is: such a store was not moved.
    stays = os.path.isdir(origin / FOLDER) and not os.path.exists(origin / file.name)  # noqa: PTH110, PTH112
    return None if stays and not _has_folders(here / FOLDER) else origin


def _rewrite(database: sqlite3.Connection, old: Path, new: Path) -> int:
    """Replaces the beginning of places; returns how many of runs were concerned."""
    runs = 0
    for table, column in _PLACES:
        for before, after in ((str(old), recorded(new)), (old.as_uri(), new.as_uri())):
            changed = database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1) "  # noqa: S608
                f"WHERE substr({column}, 1, length(?) + 1) = ? || '/'",
                [after, before, before, before],
            )
            runs += changed.rowcount if table == "runs" else 0
    return runs


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def _has_folders(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(entry.is_dir() for entry in os.scandir(folder))
    return False
