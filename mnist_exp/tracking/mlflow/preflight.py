"""Whether the installed MLflow can use a local store; without importing mlflow.

A remote store that does not answer is no error here: a run goes on without it.
"""

import importlib.util
import os
import re
import sqlite3
from pathlib import Path

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.relocation import relocate

_ANOTHER_STORE = "choose another store: MLFLOW_TRACKING_URI, or of train tracking.uri"
_COPY = "copy the project with `cp -r` and work in the copy"
_PATH_BYTES = 504  # its name for the journal beside a file is 8 longer, and has to be below 513
_REVISION = re.compile(r"""^(down_)?revision\s*=\s*["'](\w+)["']""", re.MULTILINE)
# A whole check reads every page; larger files are checked by their first pages alone.
_CHECKED_BYTES = 64 * 1024 * 1024


def preflight(uri: str) -> None:
    """Checks a local store before a run relies on it, and has one that was moved know it.

    Args:
        uri: A resolved URI; a store that does not exist yet, or is remote, passes.

    Raises:
        RequestError: The folder is missing or unwritable, the file is broken, or it was made by
            a newer or older MLflow.
    """
    path = sqlite_path(uri)
    if path is None:
        return
    _check_folder(path)
    if not path.exists() or path.stat().st_size == 0:
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise RequestError(
            f"Expected an MLflow store that can be read and written. Received: {path}, which "
            f"cannot. Change its permissions, {_COPY}, or {_ANOTHER_STORE}."
        )
    try:
        revision = _revision(path)
        if revision is None:
            return
        _check_revision(uri, path, revision)
        relocate(path)
    except sqlite3.OperationalError as problem:
        if "locked" in str(problem):
            return
        raise _broken(path, problem) from problem
    except sqlite3.DatabaseError as problem:
        raise _broken(path, problem) from problem


def _check_folder(path: Path) -> None:
    folder = path.parent
    size = len(os.fsencode(path))
    if size > _PATH_BYTES:
        raise RequestError(
            f"Expected the path of a store to have at most {_PATH_BYTES} bytes, since SQLite opens "
            f"no longer ones. Received: {path}, which has {size}. Run the command from a folder "
            f"with a shorter path, or {_ANOTHER_STORE}."
        )
    if not folder.is_dir():
        raise RequestError(
            f"Expected tracking.uri to name a file in a folder that exists. Received: {path}. "
            f"Make the folder {folder}, or {_ANOTHER_STORE}."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        is_there = os.access(path, os.R_OK)
        remedy = f"To read its runs, {_COPY}" if is_there else "Run the command from another folder"
        raise RequestError(
            f"Expected a folder that can be written, for the MLflow store. Received: {folder}. "
            f"{remedy}, or {_ANOTHER_STORE}."
        )


def _revision(path: Path) -> str | None:
    """Returns the schema revision of a database, "" for a foreign one, None for an empty one."""
    connection = sqlite3.connect(path, timeout=1.0)
    try:
        if path.stat().st_size <= _CHECKED_BYTES:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {name for (name,) in rows}
        if not tables:
            return None
        if "alembic_version" not in tables or "experiments" not in tables:
            return ""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""
    finally:
        connection.close()


def _known_revisions() -> tuple[set[str], str]:
    """Returns every schema revision of the installed MLflow, and the newest."""
    package = importlib.util.find_spec("mlflow")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "store" / "db_migrations" / "versions"
    revisions: set[str] = set()
    parents: set[str] = set()
    for file in folder.glob("*.py"):
        for is_parent, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
            (parents if is_parent else revisions).add(revision)
    return revisions, next(iter(revisions - parents), "")


def _check_revision(uri: str, path: Path, revision: str) -> None:
    revisions, newest = _known_revisions()
    if revision == newest:
        return
    if not revision:
        raise RequestError(
            f"Expected an MLflow store. Received: {path}, a SQLite database of something else. "
            "Choose another store with tracking.uri=sqlite:///FILE."
        )
    if revision in revisions:
        raise RequestError(
            f"Expected an MLflow store with the schema {newest} of the installed MLflow. Received: "
            f"{path} with the older schema {revision}. Copy it, with {path.name}-wal if that is "
            "there, as a backup, then run "
            f"`mlflow db upgrade {uri}`."
        )
    raise RequestError(
        f"Expected an MLflow store with the schema {newest} of the installed MLflow. Received: "
        f"{path} with the schema {revision}, which a newer MLflow made. Upgrade mlflow, or choose "
        "another store with tracking.uri=sqlite:///FILE."
    )


def _broken(path: Path, problem: Exception) -> RequestError:
    return RequestError(
        f"Expected an MLflow store. Received: {path}, which is not a readable SQLite database "
        f"({problem}). Restore it from a backup, or move it aside with `mv {path} {path}.broken`: "
        "the next run makes a new one."
    )
