"""Opens MLflow's stores: quietly, soon tired of a dead server, and a local one made whole or not.

A new SQLite store is built under another name and renamed when it is complete, under a lock, so
that ten jobs that start at once make one, and a job killed meanwhile leaves none.
"""

import atexit
import contextlib
import functools
import http.client
import logging
import os
import shutil
import sqlite3
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.locks import Lock
from mnist_exp.core.text import without_password
from mnist_exp.tracking.mlflow.artifact_root import FOLDER, recorded
from mnist_exp.tracking.mlflow.location import sqlite_path, sqlite_uri
from mnist_exp.tracking.mlflow.relocation import relocate

# MLflow's own are 120 seconds and 7 retries. The journal holds what a dead server misses, so there
# is no reason to wait for it.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout may be JSON for another program
}
_CREATION_SECONDS = 120.0
# The UI then opens the experiment among those that train models, not among language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def connect(uri: str) -> Any:
    """Returns an `MlflowClient` for a resolved URI; a local store that is absent is created."""
    _configure()
    from mlflow import MlflowClient

    _quiet()
    path = sqlite_path(uri)
    if path is not None:
        _prepare(path)
        _gather_at_exit(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def gather(uri: str) -> None:
    """Moves what SQLite keeps beside a local store into its file, which alone is then the store.

    It does so itself where the last process closes its connection, which one that ends at once
    never does. What another process is busy with is left to that one.

    Args:
        uri: a resolved URI; of anything else there is nothing to move.
    """
    path = sqlite_path(uri)
    if path is None:
        return
    address = f"{path.as_uri()}?mode=rw"
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(address, timeout=0, uri=True)) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@functools.cache
def _gather_at_exit(uri: str) -> None:
    atexit.register(gather, uri)


def experiment_id(client: Any, uri: str, name: str, *, create: bool) -> str | None:
    """Returns the id of an experiment, which is created if asked and absent.

    Raises:
        ExperimentError: The experiment was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None and create:
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):  # another process was faster
            _create_experiment(client, uri, name)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise ExperimentError(
                f"MLflow did not make the experiment {name!r} in {without_password(uri)}."
            )
    if experiment is None:
        return None
    if experiment.lifecycle_stage != "active" and create:
        raise ExperimentError(
            f"Expected an active MLflow experiment. Received: {name!r}, which was deleted. Run "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`, or choose "
            "another with tracking.experiment."
        )
    return str(experiment.experiment_id)


def hangs(uri: str, seconds: float) -> bool:
    """Says whether a server takes a request and does not answer it in time.

    A client of MLflow's would wait for it much longer, and more than once.

    Args:
        uri: a resolved URI; what is no HTTP server does not hang.
        seconds: how long to wait.
    """
    if not uri.startswith(("http://", "https://")):
        return False
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, host, f"{parts.path}/health", "", ""))
    try:
        urllib.request.urlopen(address, timeout=seconds).close()  # noqa: S310 - the scheme is HTTP's
    except TimeoutError:
        return True
    except urllib.error.URLError as problem:  # it answers with an error, or nobody listens
        return isinstance(problem.reason, TimeoutError)
    except (OSError, ValueError, http.client.HTTPException):  # which MLflow will tell of
        return False
    return False


def wait_seconds(seconds: int) -> None:
    """Has this process wait for an answer of a server no longer, and ask once."""
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(seconds)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def load() -> None:
    """Imports what sending a run needs of MLflow; threads doing so at once would trip over it."""
    _configure()
    import mlflow.pyfunc  # noqa: F401

    _quiet()


def _configure() -> None:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _quiet() -> None:
    """Leaves stderr to messages that the user needs; what fails is reported by its caller."""
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # a traceback for a full disk
    for name in ("alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _prepare(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        lock = Lock.take(path.with_name(path.name + ".lock"), wait_seconds=_CREATION_SECONDS)
        if lock is None:
            raise ExperimentError(
                f"Expected the MLflow store {path} to be made within {_CREATION_SECONDS:.0f} "
                "seconds. Another process holds its lock; look for one that hangs."
            )
        try:
            if not path.exists() or path.stat().st_size == 0:
                _create(path)
        finally:
            lock.release()
    _use_wal(path)
    relocate(path)


def _create(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    prefix = f".{path.name}."
    for stale in path.parent.glob(f"{prefix}*"):  # of a process that was killed here
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
        part = Path(folder) / path.name
        # The artifacts lie where MLflow itself would put them: beside the file.
        store = SqlAlchemyStore(sqlite_uri(part), recorded(path.parent / FOLDER))
        store.engine.dispose()
        _use_wal(part)
        # What is left of a store that was moved away would be read as part of the new one.
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        part.replace(path)


def _use_wal(path: Path) -> None:
    """Lets readers and a writer work at once; the setting stays in the file."""
    connection = sqlite3.connect(path, timeout=5.0)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            # A store in use keeps its mode for now; the next run asks again.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _create_experiment(client: Any, uri: str, name: str) -> None:
    path = sqlite_path(uri)
    if path is None:
        client.create_experiment(name, tags=_EXPERIMENT_TAGS)
        return
    # MlflowClient would put the artifacts below the working folder, wherever the file is.
    from mlflow.entities import ExperimentTag
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    tags = [ExperimentTag(key, value) for key, value in _EXPERIMENT_TAGS.items()]
    SqlAlchemyStore(uri, recorded(path.parent / FOLDER)).create_experiment(name, tags=tags)
