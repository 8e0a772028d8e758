"""What a store has of a run, read back from it: only then does the run count as sent.

Somebody may have deleted the run, emptied the store or put another in its place meanwhile; a file
that was deleted while it is open even takes what is sent, into nowhere.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.text import few
from mnist_exp.tracking.journal.events import (
    STATUS_OF_OUTCOME,
    Artifact,
    Event,
    Metrics,
    Model,
    Start,
    Tags,
)
from mnist_exp.tracking.journal.staging import digest_of
from mnist_exp.tracking.journal.state import fold
from mnist_exp.tracking.mlflow import database
from mnist_exp.tracking.mlflow.artifact_root import local_folder
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.records import RunRecord


class LostError(ExperimentError):
    """A store does not have what it took."""


def deleted(run: RunRecord) -> ExperimentError:
    """Returns the error for a run that somebody deleted in MLflow, which keeps it for a while."""
    return ExperimentError(
        f"the run {run.name} was deleted in MLflow; restore it with `mlflow runs "
        f"restore --run-id {run.run_id}`, or delete its job folder if it is not wanted"
    )


def deleted_run(store: Store, job_id: str) -> RunRecord | None:
    """Returns a run that was deleted in a local store; None for any other, and of a server."""
    file = sqlite_path(store.uri)
    run = None
    if file is not None:
        with contextlib.suppress(sqlite3.Error):  # which sending will say
            run = database.of_job(file, store.experiment, job_id)
    return run if run is not None and run.deleted else None


def require_kept(store: Store, job_id: str, events: Iterable[Event]) -> None:
    """Makes sure that a store has what a run told.

    Args:
        store: as the run knows it.
        job_id: of the run.
        events: of its journal, without those that MLflow refused.

    Raises:
        LostError: it does not; the message names what is missing.
        ExperimentError: the run was deleted.
    """
    run = read_anew(store, job_id)
    if run is None:
        raise LostError("the store has lost the run: it was deleted or replaced")
    if run.deleted:
        raise deleted(run)
    lost = list(dict.fromkeys(_lost(store, run, list(events))))
    if lost:
        raise LostError(f"the store has lost {few(lost)}")


def read_anew(store: Store, job_id: str) -> RunRecord | None:
    """Returns the run as whoever opens the store now finds it."""
    file = sqlite_path(store.uri)
    if file is None:
        return store.find_run(job_id)
    return database.of_job(file, store.experiment, job_id)


def _lost(store: Store, run: RunRecord, events: list[Event]) -> Iterator[str]:
    metrics = [event for event in events if isinstance(event, Metrics)]
    points = _points(store, run, {key for event in metrics for key in event.values})
    state = fold(events)
    if state and state.outcome:
        ended = run.outcome == state.outcome and run.status == STATUS_OF_OUTCOME[state.outcome]
        yield from [] if ended else ["its end"]
    files: dict[str, Artifact] = {}
    for event in events:
        match event:
            case Start():
                yield from (f"param {key}" for key in event.params if key not in run.params)
                yield from (f"tag {key}" for key in event.tags if key not in run.tags)
            case Tags():
                yield from (f"tag {key}" for key in event.values if key not in run.tags)
            case Metrics():
                step = event.step or 0
                yield from (f"metric {k}" for k in event.values if (k, step) not in points)
            case Artifact():
                files[event.path] = event
            case Model() if not has_model(store, run.run_id):
                yield "the logged model"
    yield from (f"artifact {path}" for path in _lost_files(store, run.run_id, files))


def _points(store: Store, run: RunRecord, keys: set[str]) -> set[tuple[str, int]]:
    file = sqlite_path(store.uri)
    if file is not None:
        return database.points(file, run.run_id)
    return set(store.recorded(run.run_id, keys))


def has_file(store: Store, run_id: str, event: Artifact) -> bool:
    """Tells whether a run has an artifact; in a local store, whether it is the same."""
    return not list(_lost_files(store, run_id, {event.path: event}))


def has_model(store: Store, run_id: str) -> bool:
    """Tells whether a run has a logged model."""
    from mnist_exp.tracking.mlflow.logged_model import model_id

    return model_id(store, run_id) is not None


def _lost_files(store: Store, run_id: str, files: dict[str, Artifact]) -> Iterator[str]:
    folder = local_folder(store.artifact_uri(run_id)) if sqlite_path(store.uri) else None
    listed: dict[str, set[str]] = {}
    for path, event in files.items():
        if folder is not None:
            if not _is(folder / path, event.sha256):
                yield path
            continue
        above = path.rpartition("/")[0]
        if above not in listed:
            listed[above] = store.listed(run_id, above)
        if path not in listed[above]:
            yield path


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and digest_of(file) == sha256
