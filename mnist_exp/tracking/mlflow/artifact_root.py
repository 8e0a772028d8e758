"""Which places a store's artifacts may lie in: a record that names another is not followed.

A local store keeps them beside its file. A server says itself where an experiment has them.
"""

import os
import posixpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mnist_exp.core.errors import RequestError
from mnist_exp.core.text import without_password
from mnist_exp.tracking.mlflow.location import sqlite_path

FOLDER = "mlruns"  # beside a local store, as MLflow has it
# MLflow's own name for where a store keeps the artifacts of new experiments.
VARIABLE = "MLFLOW_DEFAULT_ARTIFACT_ROOT"


def recorded(folder: Path) -> str:
    """Returns a folder of artifacts as MLflow is to record it: a URI where it reads paths as such.

    It unquotes what a plain path holds, and writes it into SQL between quotes of one kind.
    """
    return folder.as_uri() if {"%", "'", '"'} & {*str(folder)} else str(folder)


def local_folder(place: str) -> Path | None:
    """Returns the folder that an artifact location names; None where it is on no disk."""
    parts = urlsplit(place)
    if parts.scheme not in {"", "file"}:
        return None
    return Path(unquote(parts.path) if parts.scheme else place)


def require(place: str, uri: str, experiment: str | None = None) -> None:
    """Refuses artifacts that lie elsewhere than where their store keeps them.

    Args:
        place: of the artifacts of a run or of a model, as its record has it.
        uri: of the store, as `location.resolve` returns it.
        experiment: where a server keeps those of the experiment; of no matter for a local store.

    Raises:
        RequestError: they do.
    """
    file = sqlite_path(uri)
    root = str(file.parent / FOLDER) if file is not None else experiment or ""
    named = os.environ.get(VARIABLE, "")
    if _inside(place, root) or (named and _inside(place, named)):
        return
    raise RequestError(
        f"Expected artifacts in {without_password(root)}, where this store keeps them. "
        f"Received: {without_password(place)}, which was not opened. The record was "
        f"altered; or, if they were put there on purpose, say so with {VARIABLE}."
    )


def _inside(place: str, root: str) -> bool:
    try:
        folder, own = local_folder(place), local_folder(root)
        if folder is not None and own is not None:
            return folder.is_absolute() and folder.resolve().is_relative_to(own.resolve())
        inner, outer = urlsplit(place), urlsplit(root)
    except ValueError:  # a null character, or no address
        return False
    if folder is not None or own is not None or (inner.scheme, inner.netloc) != outer[:2]:
        return False
    path, above = (posixpath.normpath(f"/{parts.path}") for parts in (inner, outer))
    return f"{path}/".startswith(f"{above.rstrip('/')}/")
