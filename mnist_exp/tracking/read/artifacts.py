"""The artifacts of a run as bytes: of a limited size, and without MLflow where they lie here."""

import contextlib
import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from mnist_exp.core import cache
from mnist_exp.core.files import is_file, regular
from mnist_exp.tracking.mlflow.artifact_root import local_folder, require
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.records import RunRecord


class OversizeError(Exception):
    """An artifact is larger than anything that mnist_exp records in its place."""


def read(run: RunRecord, path: str, uri: str, *, limit_bytes: int, sha256: str = "") -> bytes:
    """Returns the content of an artifact.

    Args:
        run: The run.
        path: Of the artifact below the run's artifacts, with slashes.
        uri: The store of the run, as `location.resolve` returns it.
        limit_bytes: The most to read.
        sha256: Of the content, if it is known; what was downloaded is then kept by that name in
            the user's cache. Whether the content is the right one is for the caller to check.

    Raises:
        FileNotFoundError: There is no such file.
        OversizeError: It is larger than the limit.
        RequestError: The record names a place where the store keeps no artifacts.
        Exception: What MLflow raises when a remote artifact is out of reach.
    """
    folder = local_folder(run.artifact_uri)
    if folder is not None:
        _require_own(run, path, uri)
        return _read(folder / path, limit_bytes)
    kept = cache.folder("artifacts") / sha256
    if sha256 and is_file(kept):
        content = _read(kept, limit_bytes)
        if hashlib.sha256(content).hexdigest() == sha256:  # a power cut may have emptied it
            return content
    _require_own(run, path, uri)
    content = _download(run, path, uri, limit_bytes)
    if sha256:
        _keep(content, kept)
    return content


def _require_own(run: RunRecord, path: str, uri: str) -> None:
    if sqlite_path(uri) is None:
        _store(uri).artifact_uri(run.run_id)
    else:
        require(f"{run.artifact_uri}/{path}", uri)


@lru_cache
def _store(uri: str) -> Store:
    return Store(uri, "")


def _read(file: Path, limit_bytes: int) -> bytes:
    with regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit_bytes:
            raise OversizeError(f"{size:,} bytes, more than {limit_bytes:,}")
        return stream.read(limit_bytes)


def _download(run: RunRecord, path: str, uri: str, limit_bytes: int) -> bytes:
    client = _store(uri).client
    sizes = {
        f.path: f.file_size for f in client.list_artifacts(run.run_id, path.rpartition("/")[0])
    }
    if path not in sizes:
        raise FileNotFoundError(f"{path} is not among the artifacts of the run")
    if (sizes[path] or 0) > limit_bytes:
        raise OversizeError(f"{sizes[path]:,} bytes, more than {limit_bytes:,}")
    with tempfile.TemporaryDirectory() as folder:
        return _read(Path(client.download_artifacts(run.run_id, path, folder)), limit_bytes)


def _keep(content: bytes, file: Path) -> None:
    with contextlib.suppress(OSError):  # else it is downloaded again
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            part = Path(folder, file.name)
            part.write_bytes(content)
            part.replace(file)
