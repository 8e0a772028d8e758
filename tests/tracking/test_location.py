"""Stores are found where MLflow would find them, and refused before a run relies on them."""

import os
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.mlflow.location import resolve, sqlite_path
from mnist_exp.tracking.mlflow.preflight import preflight


def test_the_default_is_mlflows_own_file_in_the_working_folder(sealed_environment):
    assert resolve(None) == f"sqlite:///{sealed_environment}/mlflow.db"


def test_the_config_comes_before_the_environment(sealed_environment, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert resolve(None) == f"sqlite:///{sealed_environment}/other.db"
    assert resolve("http://localhost:5000") == "http://localhost:5000"


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "ä.db"])
def test_any_file_name_survives(name, sealed_environment):
    quoted = name.replace("%", "%25").replace("?", "%3F")
    assert sqlite_path(resolve(f"sqlite:///{quoted}")) == sealed_environment / name


def test_remote_stores_are_left_alone():
    for uri in ("https://host/path", "postgresql://user@host/db", "databricks"):
        assert resolve(uri) == uri
        assert sqlite_path(uri) is None
        preflight(uri)


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "/tmp/mlruns", "file:///tmp/mlruns"])
def test_plain_folders_are_refused(uri):
    with pytest.raises(RequestError, match="plain folders"):
        resolve(uri)


@pytest.mark.parametrize("uri", ["htp://127.0.0.1:5000", "ftp://host", "postgres://host/db"])
def test_what_mlflow_cannot_read_is_refused(uri, monkeypatch):
    with pytest.raises(RequestError, match=rf"one of http, https, sqlite, .*{uri}"):
        resolve(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(RequestError, match="MLFLOW_TRACKING_URI"):
        resolve(None)


@pytest.mark.parametrize("uri", ["HTTP://host", "mysql+pymysql://host/db", "databricks://me"])
def test_what_mlflow_can_read_is_left_alone(uri):
    assert resolve(uri) == uri


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_stores_in_memory_are_refused(uri):
    with pytest.raises(RequestError, match="name a SQLite file"):
        resolve(uri)


def test_a_good_store_and_one_to_come_pass(store):
    preflight(store.uri)
    preflight(resolve("sqlite:///new.db"))
    Path("empty.db").touch()
    preflight(resolve("sqlite:///empty.db"))


def test_a_missing_folder_is_refused():
    with pytest.raises(RequestError, match="in a folder that exists"):
        preflight(resolve("sqlite:///missing/mlflow.db"))


def test_a_folder_of_a_read_only_file_system_is_refused():
    with pytest.raises(RequestError, match="folder that can be written"):
        preflight("sqlite:////proc/self/mlflow.db")


def test_of_a_project_that_cannot_be_written_a_copy_is_advised(store, monkeypatch):
    preflight(store.uri)
    folder = sqlite_path(store.uri).parent
    may = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: not mode & os.W_OK and may(p, mode))
    told = rf"Received: {folder}\. To read its runs, copy the project with `cp -r` and work in the"
    with pytest.raises(RequestError, match=told):
        preflight(store.uri)


@pytest.mark.parametrize("size", [504, 505])
def test_a_path_is_refused_that_sqlite_does_not_open(size, tmp_path):
    left = size - len(f"{tmp_path}//mlflow.db")
    folder = tmp_path / f"{(('x' * 99 + '/') * 5)[: left - 1]}x"
    folder.mkdir(parents=True)
    file = folder / "mlflow.db"
    refused, opens = (nullcontext(), nullcontext())
    if size > 504:
        refused = pytest.raises(RequestError, match=f"at most 504 bytes, .* which has {size}")
        opens = pytest.raises(sqlite3.OperationalError, match="unable to open")
    with opens, closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=wal")
    with refused:
        preflight(f"sqlite:///{file}")


def test_a_file_that_is_no_database_is_refused():
    Path("mlflow.db").write_text("not a database, but long enough for its header" * 10)
    with pytest.raises(RequestError, match=r"not a readable SQLite database.*mv "):
        preflight(resolve(None))


def test_a_database_with_a_hole_is_refused(store):
    path = sqlite_path(store.uri)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(RequestError, match="not a readable SQLite database"):
        preflight(store.uri)


def test_a_database_of_something_else_is_refused():
    with sqlite3.connect("mlflow.db") as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()
    with pytest.raises(RequestError, match="something else"):
        preflight(resolve(None))


@pytest.mark.parametrize(
    ("revision", "remedy"),
    [("ffffffffffff", "Upgrade mlflow"), ("451aebb31d03", "mlflow db upgrade sqlite:")],
    ids=["newer", "older"],
)
def test_a_store_of_another_mlflow_is_refused(store, revision, remedy):
    path = sqlite_path(store.uri)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
    database.close()
    before = path.read_bytes()
    with pytest.raises(RequestError, match=remedy) as refused:
        preflight(store.uri)
    assert revision in str(refused.value)
    assert path.read_bytes() == before
