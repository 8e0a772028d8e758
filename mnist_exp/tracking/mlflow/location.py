"""Where MLflow's store lies; without importing mlflow."""

import importlib.metadata
import os
from pathlib import Path
from urllib.parse import unquote

from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.text import password_removed

DEFAULT_URI = "sqlite:///mlflow.db"
# What MLflow reads runs from; to a database a driver may be added, as in mysql+pymysql.
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks", "databricks-uc")
_PLUGINS = "mlflow.tracking_store"
_SQLITE = "sqlite:///"


def resolve(uri: str | None) -> str:
    """Returns the absolute tracking URI: the given one, else MLflow's environment or default.

    Args:
        uri: `tracking.uri` of the config; None leaves it to `MLFLOW_TRACKING_URI`.

    Raises:
        RequestError: MLflow keeps no runs at such a URI.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    scheme = chosen.partition("://")[0] if "://" in chosen else ""
    if chosen.startswith("sqlite:"):
        return _absolute_sqlite(chosen, Path.cwd())
    if scheme == "file" or (not scheme and chosen.partition(":")[0] != "databricks"):
        raise RequestError(
            "Expected tracking.uri to name a database or a server, like sqlite:///mlflow.db or "
            f"http://localhost:5000. Received: {chosen!r}. MLflow keeps no runs in plain folders "
            "since 3.13; use sqlite:///FOLDER/mlflow.db, and `mlflow migrate-filestore` to move "
            "old runs there."
        )
    if scheme:
        _check_scheme(scheme, chosen)
    return chosen


def sqlite_path(uri: str) -> Path | None:
    """Returns the file of a resolved SQLite URI; None for every other store."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(unquote(uri.removeprefix(_SQLITE).partition("?")[0]))


def sqlite_uri(path: str | Path) -> str:
    """Returns the URI of a SQLite file; only what would end the path is quoted, as MLflow reads."""
    return _SQLITE + os.path.normpath(path).replace("%", "%25").replace("?", "%3F")


def recorded(uri: str, job_dir: Path, project: Path) -> str:
    """Returns a store's URI as the journal in a job folder has it: without a password.

    A SQLite file is named from the job folder where both lie in the project, which may move.

    Args:
        uri: as `resolve` returns it.
        job_dir: absolute.
        project: the folder that the command was given in, absolute.
    """
    path = sqlite_path(uri)
    if path is None:
        return password_removed(uri)
    if not (path.is_relative_to(project) and job_dir.is_relative_to(project)):
        return uri
    _, mark, options = uri.partition("?")
    return sqlite_uri(os.path.relpath(path, job_dir)) + mark + options


def of_record(text: str, job_dir: Path) -> str:
    """Returns the URI that `recorded` made a text of.

    Args:
        text: from the journal.
        job_dir: where that lies now.

    Returns:
        An absolute URI; the password is that of `MLFLOW_TRACKING_URI` for the same address.
    """
    if text.startswith(_SQLITE):
        return _absolute_sqlite(text, job_dir.absolute())
    known = os.environ.get("MLFLOW_TRACKING_URI", "")
    return known if password_removed(known) == text else text


def _check_scheme(scheme: str, uri: str) -> None:
    name = scheme.lower().partition("+")[0]
    if name in SCHEMES or scheme in importlib.metadata.entry_points(group=_PLUGINS).names:
        return
    raise RequestError(
        f"Expected tracking.uri, or MLFLOW_TRACKING_URI, to begin with SCHEME://, one of "
        f"{', '.join(SCHEMES)}. Received: {uri!r}.{nearest(name, SCHEMES)}"
    )


def _absolute_sqlite(uri: str, folder: Path) -> str:
    database, mark, options = uri.removeprefix(_SQLITE).partition("?")
    if not uri.startswith(_SQLITE) or database in {"", ":memory:"}:
        raise RequestError(
            "Expected tracking.uri to name a SQLite file, like sqlite:///mlflow.db. "
            f"Received: {uri!r}. Runs kept in memory would be lost."
        )
    return sqlite_uri(folder / unquote(database)) + mark + options
