"""The registered model in MLflow's registry: its versions, and which of them is the champion.

Every step may be given again: what an interrupted promotion left is found and completed.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.locks import Lock
from mnist_exp.core.text import without_password
from mnist_exp.tracking.mlflow.attempt import first_line
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.logged_model import logged_model
from mnist_exp.tracking.mlflow.store import CHAMPION, REGISTERED_MODEL, Store

SERVE = f"mlflow models serve -m models:/{REGISTERED_MODEL}@{CHAMPION} --env-manager local"
# The tags of a version that say how it became champion: what was compared, what --force overrode.
PROMOTION_TAGS = ("promotion", "forced")
_DESCRIPTION = (
    "Recognises handwritten digits. In: uint8 [N, 28, 28], raw pixels 0-255, ink bright. Out: "
    "float32 [N, 10], the probability of each digit; preprocessing is inside.\n\n"
    f"`mnist-exp promote RUN` makes a version and gives it the alias `{CHAMPION}`, unless it is "
    f"measurably worse than the champion of that day. `{SERVE}` serves it."
)
_VERSIONS_TAG = "mlflow.modelVersions"  # of a logged model: its page links them
_DESCRIPTION_CHARACTERS = 5000  # MLflow's limit
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Version:
    """A version of the registered model."""

    number: str
    run_id: str | None  # None where somebody registered a model of no run


@contextlib.contextmanager
def promoting(store: Store) -> Iterator[None]:
    """Keeps other processes from promoting meanwhile, in a local store; tells failures in words.

    Raises:
        ExperimentError: Another one promotes for too long, or MLflow fails.
    """
    from mlflow.exceptions import MlflowException

    path = sqlite_path(store.uri)
    lock = None if path is None else _lock(path.with_name(path.name + ".lock"))
    try:
        yield
    except MlflowException as problem:
        raise ExperimentError(
            f"Expected MLflow at {without_password(store.uri)} to take the promotion. Received: "
            f"{first_line(problem)}. Give the command again: it goes on where it was cut off."
        ) from problem
    finally:
        if lock is not None:
            lock.release()


def champion(store: Store) -> Version | None:
    """Returns the version that has the alias; None when there is none."""
    from mlflow.exceptions import MlflowException

    try:
        found = store.client.get_model_version_by_alias(REGISTERED_MODEL, CHAMPION)
    except MlflowException as problem:
        if problem.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return _version(found)


def register(store: Store, run_id: str, *, description: str, tags: Mapping[str, str]) -> Version:
    """Makes the logged model of a run a version of the registered model, once.

    Args:
        store: Where to.
        run_id: The run.
        description: Markdown for the version's page; cut where MLflow takes no more.
        tags: Of a new version.

    Returns:
        The version, an earlier one of the same model where there is one.

    Raises:
        RequestError: The run has no logged model, or its files are gone.
    """
    model = logged_model(store, run_id)
    version = _existing(store, run_id, model) or store.client.create_model_version(
        _registered_model(store),
        # As a path, since MLflow looks models:/ID up in whatever store its environment names.
        model.artifact_location,
        run_id=run_id,
        tags=dict(tags),
        description=description[:_DESCRIPTION_CHARACTERS],
        model_id=model.model_id,
    )
    _link(store, model, version)
    return _version(version)


def crown(store: Store, version: Version, reasons: Mapping[str, str]) -> None:
    """Makes a version the champion.

    Args:
        store: Where to.
        version: A registered one.
        reasons: How it became champion: values of `PROMOTION_TAGS`. Those that are not given, of
            an earlier promotion, go.
    """
    client, number = store.client, version.number
    known = client.get_model_version(REGISTERED_MODEL, number).tags
    for key in PROMOTION_TAGS:
        if key in reasons:
            client.set_model_version_tag(REGISTERED_MODEL, number, key, reasons[key])
        elif key in known:
            client.delete_model_version_tag(REGISTERED_MODEL, number, key)
    client.set_registered_model_alias(REGISTERED_MODEL, CHAMPION, number)


def _lock(file: Path) -> Lock:
    lock = Lock.take(file, wait_seconds=_LOCK_SECONDS)
    if lock is None:
        raise ExperimentError(
            f"Expected to promote within {_LOCK_SECONDS:.0f} seconds. Another process holds "
            f"{file}; look for one that hangs."
        )
    return lock


def _registered_model(store: Store) -> str:
    """Returns the name of the registered model, which is made where it is absent."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(REGISTERED_MODEL, description=_DESCRIPTION)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return REGISTERED_MODEL


def _existing(store: Store, run_id: str, model: Any) -> Any:
    """Returns the oldest version of this very model, ours or one made in MLflow's UI, or None."""
    found = store.client.search_model_versions(
        f"name = '{REGISTERED_MODEL}' and run_id = '{run_id}'"
    )
    sources = {model.artifact_location, model.model_uri}
    return min(
        (version for version in found if version.source in sources),
        key=lambda version: int(version.version),
        default=None,
    )


def _link(store: Store, model: Any, version: Any) -> None:
    """Names the version on the page of the logged model; MLflow's servers do so themselves."""
    known = store.client.get_logged_model(model.model_id).tags.get(_VERSIONS_TAG)
    links = json.loads(known) if known else []
    link = {"name": version.name, "version": int(version.version)}
    if any(old["name"] == link["name"] and int(old["version"]) == link["version"] for old in links):
        return
    tags = {_VERSIONS_TAG: json.dumps([*links, link])}
    store.client.set_logged_model_tags(model.model_id, tags)


def _version(found: Any) -> Version:
    return Version(str(found.version), found.run_id or None)
