"""Whatever somebody does to a store during a run, what was journalled waits until it is there."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from invoke import here
from projects import SWEEP, artifacts, change, history, only_run
from projects import store as store_of
from waiting import until

from mnist_exp.tracking.journal.pending_runs import pending
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.mlflow.logged_model import model_id
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync.readback import read_anew
from mnist_exp.tracking.sync.recovery import recover, send_ended


def half_a_run(start_run):
    """Begins a run whose first half has arrived in the store; returns its record."""
    recorder = start_run()
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.artifact("notes.txt", lambda file: file.write_text("kept"))
    until(lambda: recorder.run_id and (Path("mlruns/1") / recorder.run_id / "artifacts").is_dir())
    return recorder


def other_half(recorder) -> bool:
    recorder.metrics({"train/loss": 0.5}, step=2)
    return recorder.end("finished")


def assert_whole(folder: Path) -> None:
    """Sees that the one run of a folder is all there, each value once."""
    run = only_run(folder)
    assert (run.status, run.outcome) == ("FINISHED", "finished")
    assert history(folder, run, "train/loss") == [(1, 1.0), (2, 0.5)]
    assert artifacts(folder, run)["notes.txt"].read_text() == "kept"
    assert list(pending(folder)) == []


def remove_store(empty: Path) -> None:
    for file in Path.cwd().glob("mlflow.db*"):
        file.unlink()


def truncate_store(empty: Path) -> None:
    for file in Path.cwd().glob("mlflow.db*"):
        os.truncate(file, 0)


def replace_store(empty: Path) -> None:
    remove_store(empty)
    shutil.copy(empty, "mlflow.db")


@pytest.mark.parametrize("spoil", [remove_store, truncate_store, replace_store])
def test_a_store_that_goes_during_a_run_gets_it_from_sync(
    store, empty_store, start_run, spoil, capfd
):
    recorder = half_a_run(start_run)
    spoil(empty_store)
    if not other_half(recorder):
        said = capfd.readouterr().err
        assert "does not have all of this run yet" in said
        assert "mnist-exp sync" in said
        assert (recorder.job_dir / "artifacts" / "notes.txt").is_file()
        assert "sent" in here("sync", check=True).stdout
    assert_whole(Path.cwd())


def test_a_run_that_is_deleted_waits_until_it_is_restored(store, start_run, capfd):
    recorder = half_a_run(start_run)
    store.client.delete_run(recorder.run_id)
    assert not other_half(recorder)
    restore = f"`mlflow runs restore --run-id {recorder.run_id}`"
    assert restore in capfd.readouterr().err
    waits = here("sync")
    assert waits.returncode == 1
    assert restore in waits.stdout
    store.client.restore_run(recorder.run_id)
    assert "sent" in here("sync", check=True).stdout
    assert_whole(Path.cwd())


def test_an_experiment_that_is_deleted_meanwhile_is_restored_whole(store, start_run, capfd):
    recorder = half_a_run(start_run)
    store.client.delete_experiment("1")
    assert not other_half(recorder)
    assert "deleted in MLflow" in capfd.readouterr().err
    store.client.restore_experiment("1")
    assert "sent" in here("sync", check=True).stdout
    assert_whole(Path.cwd())


def test_a_run_that_is_deleted_may_go_to_another_store(store, start_run, tmp_path):
    recorder = half_a_run(start_run)
    store.client.delete_run(recorder.run_id)
    other_half(recorder)
    other = tmp_path / "other"
    other.mkdir()
    here("sync", "--to", f"sqlite:///{other}/mlflow.db", check=True)
    assert_whole(other)


def test_runs_that_a_store_lost_later_are_told_of_and_sent_again(store, start_run):
    recorder = half_a_run(start_run)
    assert other_half(recorder)
    assert "lost" not in here("sync", check=True).stdout
    remove_store(Path.cwd())
    shutil.rmtree("mlruns")
    assert "The store has lost 1 run of this folder" in here("sync", check=True).stdout
    again = here("sync", "--again")
    assert again.returncode == 1
    assert "job-1  sent without what is gone (notes.txt is gone" in again.stdout
    assert "Received: 1 run without files that are gone" in again.stderr
    run = only_run(Path.cwd())
    assert (run.status, run.metrics["train/loss"]) == ("FINISHED", 0.5)
    assert here("sync", check=True).stdout == "Nothing is pending.\n"


def test_a_run_is_found_when_its_experiment_has_another_name_or_was_deleted(store, start_run):
    assert other_half(half_a_run(start_run))
    client, name = store.client, store.experiment
    key = client.get_experiment_by_name(name).experiment_id
    client.rename_experiment(key, "renamed")
    assert here("sync", check=True).stdout == "Nothing is pending.\n"
    assert here("sync", "--again", check=True).stdout == "Nothing is pending.\n"
    assert Store(store.uri, name).find_run("job-1") is not None
    where = "Others are in renamed, which MLFLOW_EXPERIMENT_NAME can name."
    assert where in here("runs", check=True).stdout
    assert where in here("evaluate", "latest").stderr
    client.rename_experiment(key, name)
    client.delete_experiment(key)
    restore = f"`mlflow experiments restore --experiment-id {key}` brings it back."
    assert restore in here("runs", check=True).stdout


def test_files_that_outlive_their_store_are_sent_again(one_run):
    """Who deletes `mlflow.db` alone keeps `mlruns/`."""
    before = only_run(one_run)
    spoilt = artifacts(one_run, before)["log.txt"]
    spoilt.write_text(f"{spoilt.read_text()}more")
    for file in one_run.glob("mlflow.db*"):
        file.unlink()
    again = here("sync", "--again", cwd=one_run)
    assert "sent without what is gone (log.txt is gone" in again.stdout
    run = read_anew(store_of(one_run), before.job_id)
    assert run.run_id != before.run_id
    (root,) = one_run.glob(f"mlruns/*/{run.run_id}/artifacts")
    sent = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    assert sent == artifacts(one_run, before).keys() - {"log.txt"}
    for verb in (("evaluate", "latest"), ("reproduce", "latest", "--check-only")):
        here(*verb, cwd=one_run, check=True)


def test_a_deleted_run_is_given_up_by_deleting_its_folder(store, start_run):
    recorder = half_a_run(start_run)
    store.client.delete_run(recorder.run_id)
    other_half(recorder)
    shutil.rmtree(recorder.job_dir)
    assert "its folder is gone" in here("sync", check=True).stdout
    assert "Nothing is pending" in here("sync", check=True).stdout


def test_sync_sends_again_what_an_older_copy_of_the_store_lacks(store, start_run):
    recorder = half_a_run(start_run)
    recorder.end("killed")
    backup = Path("backup.db")
    with (
        contextlib.closing(sqlite3.connect("mlflow.db")) as database,
        contextlib.closing(sqlite3.connect(backup)) as copy,
    ):
        database.backup(copy)
    recorder = Recorder.resume(recorder.job_dir)
    remove_store(backup)
    shutil.copy(backup, "mlflow.db")
    other_half(recorder)
    here("sync", check=True)
    assert_whole(Path.cwd())


def test_a_copy_of_the_store_from_the_midst_of_an_end_is_told_of(store, start_run):
    """The outcome is there, and MLflow's own status is that of a run that goes on."""
    recorder = half_a_run(start_run)
    assert other_half(recorder)
    change(Path.cwd(), "runs SET status = ?, end_time = NULL", ["RUNNING"])
    assert "The store has lost 1 run of this folder" in here("sync", check=True).stdout
    assert "job-1  sent\n" in here("sync", "--again", check=True).stdout
    assert_whole(Path.cwd())


def test_a_sweep_sends_the_end_of_a_job_that_its_store_has_in_part(store, start_run):
    assert start_run("2026-01-01_00-00-00_abcdef").end("finished")
    assert not send_ended(Path.cwd(), store.search())
    change(Path.cwd(), "runs SET status = ?, end_time = NULL", ["RUNNING"])
    assert send_ended(Path.cwd(), store.search())
    (recovered,) = recover(Path.cwd())
    assert recovered.result == "sent"
    assert only_run(Path.cwd()).status == "FINISHED"


@pytest.mark.parametrize("what", ["metrics", "params", "tags", "artifact"])
def test_what_goes_missing_in_part_is_sent_again(store, start_run, what):
    recorder = half_a_run(start_run)
    if what == "artifact":
        (Path("mlruns/1") / recorder.run_id / "artifacts" / "notes.txt").write_text("altered")
    else:
        with contextlib.closing(sqlite3.connect("mlflow.db")) as database, database:
            assert database.execute(f"DELETE FROM {what}").rowcount > 0
            if what == "tags":  # by this one it is found
                tag = ("mnist_exp.job_id", "job-1", recorder.run_id)
                database.execute("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tag)
    assert other_half(recorder)
    assert_whole(Path.cwd())
    run = only_run(Path.cwd())
    assert run.params == {"seed": "1", "model.name": "cnn"}
    assert {"model", "mlflow.user"} <= run.tags.keys()


def test_a_server_that_was_emptied_gets_the_run_again(server, start_run):
    server.up()
    recorder = start_run(uri=server.uri)
    recorder.metrics({"train/loss": 1.0}, step=1)
    until(lambda: recorder.run_id)
    server.down()
    for file in server.folder.glob("server.db*"):
        file.unlink()
    server.up()
    recorder.metrics({"train/loss": 0.5}, step=2)
    recorder.end("finished")
    recover(Path.cwd())
    client = connect(server.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("mnist").experiment_id])
    points = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 0.5)]
    assert run.info.status == "FINISHED"


def test_a_server_that_is_frozen_holds_nobody_up(server, start_run, monkeypatch, capfd):
    server.up()
    recorder = start_run(uri=server.uri)
    recorder.metrics({"train/loss": 1.0}, step=1)
    until(lambda: recorder.run_id)
    server.freeze()
    recorder.metrics({"train/loss": 0.5}, step=2)
    assert not recorder.end("finished")
    assert "does not have all of this run yet" in capfd.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    listed = here("runs")
    assert listed.returncode == 2
    assert "Received: no answer for 2 s." in " ".join(listed.stderr.split())
    server.thaw()
    assert "finished" in here("runs", check=True).stdout
    assert list(pending(Path.cwd())) == []


def test_a_log_that_is_written_again_is_no_altered_one(store, start_run):
    """A resumed run replaces the file before it tells of it, and the sender may look between."""
    recorder = half_a_run(start_run)
    recorder.end("killed")
    recorder = Recorder.resume(recorder.job_dir)
    staged = recorder.job_dir / "artifacts" / "notes.txt"
    (recorder.job_dir / "journal.sent").unlink()
    staged.write_text("new")  # no event yet
    recorder.tags({"noticed": "1"})
    run_id = until(lambda: recorder.run_id)
    until(lambda: store.get(run_id).tags.get("noticed"))
    recorder.artifact("notes.txt", lambda file: file.write_text("kept"))
    assert other_half(recorder)
    assert recorder._sender.refused == []
    assert_whole(Path.cwd())


def test_a_sweep_sends_what_an_older_copy_of_its_store_lacks(swept):
    place = "WHERE key = 'mnist_exp.outcome' AND run_uuid IN "
    of = "(SELECT run_uuid FROM params WHERE key = 'seed' AND value = '1')"
    with contextlib.closing(sqlite3.connect(swept / "mlflow.db")) as database, database:
        assert database.execute(f"DELETE FROM tags {place}{of}").rowcount == 1
        database.execute(
            f"UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid IN {of}"
        )
    assert "The store has lost 1 run" in here("sync", cwd=swept, check=True).stdout
    assert "all 2 jobs are done" in here(*SWEEP, cwd=swept, check=True).stderr
    assert {run.outcome for run in store_of(swept).search()} == {"finished"}


def test_a_model_that_was_deleted_is_told_from_a_run_without_one(one_run):
    run = only_run(one_run)
    client = store_of(one_run).client
    client.delete_logged_model(model_id(store_of(one_run), run.run_id))
    done = here("export", "latest", "--format", "savedmodel", "--out", "m", cwd=one_run)
    assert done.returncode == 2
    assert "was deleted in MLflow" in " ".join(done.stderr.split())
