"""The index says what MLflow says, and asks it for no more than it must."""

import math
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from invoke import python

from mnist_exp.tracking.index import Index
from mnist_exp.tracking.journal.events import Start, now
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Point, Store
from mnist_exp.tracking.names import JOB_ID_TAG


def add_run(store: Store, job_id: str, time: int | None = None, *, ended: bool = True) -> str:
    time = now() if time is None else time
    start = Start(time, job_id, f"cnn-{job_id}", "mnist", store.uri, {}, {}, "", None, None, {})
    run_id = store.create_run(start)
    store.log_metrics(run_id, [Point("val/accuracy", 0.5, time, 1)])
    if ended:
        store.end_run(run_id, "FINISHED", time + 1)
    return run_id


def refreshed(index: Index) -> Index:
    index.refresh()
    return index


def job_ids(index: Index) -> list[str]:
    index.refresh()
    return [run.job_id for run in index]


def test_it_holds_what_mlflow_has_newest_first(store, index):
    assert job_ids(index) == []
    for number in range(3):
        add_run(store, str(number), now() + number)
    assert job_ids(index) == ["2", "1", "0"]
    assert list(index) == list(store.search())
    assert [run.job_id for run in index.runs(limit=2)] == ["2", "1"]
    assert len(index) == 3
    newest = index.runs()[0]
    assert index.get(newest.run_id) == newest
    assert newest.metrics == {"val/accuracy": 0.5}
    assert index.get("unknown") is None


def test_the_loss_of_a_diverged_run_hides_nothing(store, index):
    diverged = add_run(store, "diverged")
    store.log_metrics(diverged, [Point("test/loss", math.nan, now(), 1)])
    add_run(store, "sound")
    assert job_ids(index) == ["sound", "diverged"]
    assert [run.job_id for run in index.tagged(JOB_ID_TAG, "diverged")] == ["diverged"]
    assert math.isnan(index.get(diverged).metrics["test/loss"])


def test_what_ends_is_deleted_or_restored_is_noticed(store, index):
    long_ago = now() - 10 * 24 * 3600 * 1000
    running = add_run(store, "running", long_ago, ended=False)
    doomed = add_run(store, "doomed", long_ago - 1)
    add_run(store, "new")
    assert job_ids(index) == ["new", "running", "doomed"]
    assert index.get(running).status == "RUNNING"
    store.end_run(running, "KILLED", long_ago + 5)
    store.client.delete_run(doomed)
    assert job_ids(index) == ["new", "running"]
    assert index.get(running).status == "KILLED"
    store.client.restore_run(doomed)
    assert job_ids(index) == ["new", "running", "doomed"]


def test_a_run_that_ended_after_an_outage_is_noticed(store, index):
    add_run(store, "first", now() - 60_000)
    assert job_ids(index) == ["first"]
    add_run(store, "late", now() - 70_000)
    assert job_ids(index) == ["first", "late"]


def test_a_clock_that_ran_ahead_hides_nothing(store, index):
    add_run(store, "future", now() + 10**9)
    assert job_ids(index) == ["future"]
    add_run(store, "present")
    assert job_ids(index) == ["future", "present"]


def test_old_changes_arrive_when_told_and_with_rebuild(store, index):
    run_id = add_run(store, "old", now() - 10**9)
    add_run(store, "new")
    index.refresh()
    store.log_metrics(run_id, [Point("evaluate/digits/accuracy", 0.25, now(), 0)])
    assert "evaluate/digits/accuracy" not in refreshed(index).get(run_id).metrics
    index.invalidate(run_id)
    assert refreshed(index).get(run_id).metrics["evaluate/digits/accuracy"] == 0.25
    store.set_tags(run_id, {"note": "x"})
    index.rebuild()
    assert index.get(run_id).tags["note"] == "x"


def test_runs_sent_late_are_told_to_the_index(store, index):
    add_run(store, "new")
    index.refresh()
    run_id = add_run(store, "late", now() - 10**9)
    index.invalidate(run_id)
    assert job_ids(index) == ["new", "late"]


def test_another_store_at_the_same_place_is_another_one(store, index):
    add_run(store, "old")
    assert job_ids(index) == ["old"]
    for path in Path().glob("mlflow.db*"):
        path.rename(f"moved-{path.name}")
    code = """
from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.journal.events import Start
store = Store(resolve(None), "mnist")
start = Start(1000, "early", "cnn-early", "mnist", store.uri, {}, {}, "", None, None, {})
store.end_run(store.create_run(start), "FINISHED", 1001)
index = Index.open(store.uri, "mnist")
index.refresh()
print([run.job_id for run in index])
"""
    assert python(code, check=True).stdout == "['early']\n"


def test_a_slow_refresh_overwrites_nothing_newer(store, index, monkeypatch):
    run_id = add_run(store, "old", now() - 10**9)
    index.refresh()
    other, fetch = Index.open(store.uri, store.experiment), index._news

    def slow(seen):
        monkeypatch.setattr(index, "_news", fetch)
        fetched = fetch(0)
        store.log_metrics(run_id, [Point("evaluate/digits/accuracy", 0.25, now(), 0)])
        other.invalidate(run_id)
        other.refresh()
        return fetched

    add_run(store, "new")
    monkeypatch.setattr(index, "_news", slow)
    index.refresh()
    assert index.get(run_id).metrics["evaluate/digits/accuracy"] == 0.25
    assert len(index) == 2
    other.close()


def test_experiments_are_apart(store, index):
    add_run(store, "one")
    index.refresh()
    other = Index.open(store.uri, "other")
    assert job_ids(other) == []
    other.close()
    assert job_ids(index) == ["one"]


def test_an_unchanged_store_is_read_without_mlflow(store, index):
    add_run(store, "one")
    code = """
import sys
from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.location import resolve
index = Index.open(resolve(None), "mnist")
index.refresh()
print([run.job_id for run in index], "mlflow" in sys.modules)
"""
    answers = [python(code, fresh=True, check=True).stdout for _ in range(3)]
    assert answers == ["['one'] True\n", "['one'] False\n", "['one'] False\n"]


def test_who_writes_leaves_it_to_nobody_else_to_load_mlflow(store, index):
    store.client.create_registered_model("mnist")
    number = store.client.create_model_version("mnist", "/somewhere", run_id=add_run(store, "one"))
    store.client.set_registered_model_alias("mnist", "champion", number.version)
    index.catch_up()
    code = """
import sys
from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.location import preflight, resolve
index = Index.open(resolve(None), "mnist")
preflight(index.uri)
index.refresh()
print([run.run_id == index.champion().run_id for run in index], "mlflow" in sys.modules)
"""
    assert python(code, fresh=True, check=True).stdout == "[True] False\n"


def test_a_new_champion_is_noticed(store, index):
    index.refresh()
    assert index.champion() is None
    store.client.create_registered_model("mnist")
    for job_id in "one", "two":
        run_id = add_run(store, job_id)
        number = store.client.create_model_version("mnist", "/somewhere", run_id=run_id)
        store.client.set_registered_model_alias("mnist", "champion", number.version)
        index.refresh()
        assert index.champion().run_id == run_id
        assert index.champion() == registry.champion(store)


def test_without_a_store_there_are_no_runs_and_none_is_made(sealed_environment):
    index = Index.open(resolve(None), "mnist")
    assert job_ids(index) == []
    index.close()
    assert list(sealed_environment.iterdir()) == []


def test_a_store_that_was_removed_takes_its_runs_along(store, index):
    add_run(store, "one")
    assert job_ids(index) == ["one"]
    for file in Path.cwd().glob("mlflow.db*"):
        file.unlink()
    assert job_ids(index) == []


@pytest.mark.parametrize("damage", ["garbage", "version", "tables"])
def test_a_broken_or_older_file_is_made_anew(store, index, damage):
    add_run(store, "one")
    index.refresh()
    index.close()
    (file,) = Path(os.environ["XDG_CACHE_HOME"]).glob("mnist_exp/index/*.sqlite3")
    if damage == "garbage":
        file.write_bytes(b"garbage" * 1000)
    else:
        statement = {"version": "PRAGMA user_version = 99", "tables": "DROP TABLE runs"}[damage]
        with sqlite3.connect(file) as database:
            database.execute(statement)
        database.close()
    again = Index.open(store.uri, "mnist")
    assert job_ids(again) == ["one"]
    again.close()


def test_without_a_cache_folder_it_lives_in_memory(store, monkeypatch):
    add_run(store, "one")
    Path("file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", "file")
    index = Index.open(store.uri, "mnist")
    assert job_ids(index) == ["one"]
    index.close()


def test_a_record_survives_the_copy_bit_for_bit(store, index):
    run_id = add_run(store, "one")
    store.log_metrics(run_id, [Point("test/loss", 0.1 + 0.2, now(), 0)])
    index.refresh()
    assert index.get(run_id) == replace(store.get(run_id))
