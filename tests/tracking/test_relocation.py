"""A project that is copied, moved or unpacked works where it is, and touches nothing elsewhere."""

import hashlib
import shutil
from pathlib import Path

import pytest
from invoke import mnist_exp
from projects import SMALL, SWEEP, artifacts, change, copied, store

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.journal import staging
from mnist_exp.tracking.mlflow.artifact_root import VARIABLE, require
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.mlflow.relocation import relocate

SAID = "This project was copied or moved: the artifacts of 1 run are looked for in "


def contents(folder: Path) -> dict[str, str]:
    """Returns file -> SHA-256; SQLite's shared memory, which readers write too, is left out."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith("-shm")
    }


def test_a_copy_works_without_its_original_and_leaves_it_alone(one_run, tmp_path):
    before = contents(one_run)
    copy = tmp_path / "the copy's: 100%25"
    shutil.copytree(one_run, copy)
    trained = mnist_exp(copy, "train", *SMALL, "seed=1", check=True)
    assert trained.stderr.count(SAID + str(copy / "mlruns")) == 1
    evaluated = mnist_exp(copy, "evaluate", "latest", check=True)
    assert "copied or moved" not in evaluated.stderr
    assert contents(one_run) == before
    new, old = store(copy).search()
    assert {"log.txt", "config/resolved.yaml"} <= artifacts(copy, new).keys()
    shutil.rmtree(one_run)
    for run in (new, old):
        mnist_exp(copy, "reproduce", run.run_id, "--check-only", check=True)
        mnist_exp(copy, "export", run.name, "--format", "savedmodel", "--out", run.name, check=True)
    assert not one_run.exists()


def test_the_file_of_a_store_is_all_of_it_when_a_run_or_a_command_ends(
    one_run, tmp_path, start_run
):
    recorder = start_run()
    recorder.metrics({"val/accuracy": 0.5}, step=1)
    recorder.end("finished")
    mnist_exp(one_run, "evaluate", "latest", check=True)
    for folder, metric in ((Path.cwd(), "val/accuracy"), (one_run, "evaluate/digits/accuracy")):
        alone = tmp_path / f"{folder.name} alone"
        alone.mkdir()
        shutil.copy(folder / "mlflow.db", alone)
        (run,) = store(alone).search()
        assert metric in run.metrics


def test_a_moved_project_keeps_its_champion(one_run, tmp_path):
    mnist_exp(one_run, "promote", "latest", check=True)
    moved = one_run.rename(tmp_path / "moved")
    assert SAID in mnist_exp(moved, "compare", check=True).stderr
    mnist_exp(moved, "export", "@champion", "--format", "savedmodel", "--out", "m", check=True)
    version = connect(store(moved).uri).get_model_version_by_alias("mnist", "champion")
    assert version.source.startswith(str(moved / "mlruns"))


def test_a_sweep_goes_on_in_a_copy(swept, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(swept, copy)
    swept.rename(tmp_path / "elsewhere")
    assert "all 2 jobs are done" in mnist_exp(copy, *SWEEP, check=True).stderr


def test_what_was_left_to_be_sent_goes_to_the_store_of_the_copy(one_run, tmp_path, start_run):
    recorder = start_run()
    recorder.metrics({"val/accuracy": 0.5}, step=1)
    # Neither ended nor sent whole, as a killed process leaves it.
    copy = tmp_path / "copy"
    shutil.copytree(Path.cwd(), copy)
    recorder.end("finished")
    before = contents(Path.cwd())
    mnist_exp(copy, "sync", check=True)
    assert contents(Path.cwd()) == before
    (run,) = store(copy).search()
    assert (run.outcome, run.metrics["val/accuracy"]) == ("killed", 0.5)


@pytest.mark.parametrize("staged", [True, False])
def test_a_copy_that_was_made_too_early_for_an_artifact_is_told_of(
    one_run, sealed_environment, staged
):
    """As where `mlruns` was copied before the end of a run, and its journal after it."""
    copy = copied(one_run, sealed_environment)
    moved = copy.rename(copy.with_name("moved"))
    (run,) = store(moved).search()
    job_dir = moved / "outputs" / run.job_id
    (log,) = moved.glob(f"mlruns/*/{run.run_id}/artifacts/log.txt")
    (job_dir / staging.FOLDER / ".part").mkdir(parents=True)
    told = log.rename(job_dir / staging.FOLDER / "log.txt")
    if not staged:
        told.unlink()
    listed = mnist_exp(moved, "runs", check=True)
    assert ("Waiting in outputs/ for `mnist-exp sync`: 1 run." in listed.stderr) == (not staged)
    synced = mnist_exp(moved, "sync")
    assert synced.returncode == (not staged)
    if staged:
        assert log.read_text()
    else:
        assert "sent without what is gone (log.txt is gone)" in synced.stdout
        assert mnist_exp(moved, "sync", check=True).stdout == "Nothing is pending.\n"
    assert not (job_dir / staging.FOLDER / ".part").exists()


def test_sync_alone_finds_what_a_copy_lacks(one_run, sealed_environment):
    copy = copied(one_run, sealed_environment)
    moved = copy.rename(copy.with_name("moved"))
    (digests,) = moved.glob("mlruns/*/*/artifacts/sha256sums.txt")
    digests.unlink()
    synced = mnist_exp(moved, "sync")
    assert synced.returncode == 1
    assert SAID + str(moved / "mlruns") in synced.stderr
    assert "sent without what is gone (sha256sums.txt is gone)" in synced.stdout


def test_a_store_that_mlflow_made_from_another_folder_stays(tmp_path):
    """MLflow has the artifacts below its working folder, wherever the file is."""
    data = tmp_path / "data"
    data.mkdir()
    connect(f"sqlite:///{data}/mlflow.db")
    elsewhere = str(tmp_path / "home" / "mlruns")
    change(data, "experiments SET artifact_location = ? || '/0'", (elsewhere,))
    Path(elsewhere).mkdir(parents=True)
    relocate(data / "mlflow.db")
    client = connect(f"sqlite:///{data}/mlflow.db")
    assert client.get_experiment("0").artifact_location == f"{elsewhere}/0"


def test_a_link_to_a_project_is_that_project(one_run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(one_run)
    assert "copied or moved" not in mnist_exp(link, "compare", check=True).stderr


@pytest.mark.parametrize(
    ("place", "uri", "experiment"),
    [
        ("/p/mlruns/1/a/artifacts", "sqlite:////p/mlflow.db", None),
        ("file:///p%20q/mlruns/1", "sqlite:////p q/mlflow.db", None),
        ("s3://bucket/1/a/artifacts", "http://server", "s3://bucket/1"),
        ("mlflow-artifacts:/1/a/artifacts", "http://server", "mlflow-artifacts:/1"),
        ("/srv/1/a", "http://server", "/srv/1"),
    ],
)
def test_the_places_of_a_store_are_its_own(place, uri, experiment):
    require(place, uri, experiment)


@pytest.mark.parametrize(
    ("place", "uri", "experiment"),
    [
        ("/etc", "sqlite:////p/mlflow.db", None),
        ("/p/mlruns/../../etc", "sqlite:////p/mlflow.db", None),
        ("mlruns/1", "sqlite:////p/mlflow.db", None),
        ("", "sqlite:////p/mlflow.db", None),
        ("/p/mlruns/\0", "sqlite:////p/mlflow.db", None),
        ("http://127.0.0.1:1", "sqlite:////p/mlflow.db", None),
        ("s3://bucket/10", "http://server", "s3://bucket/1"),
        ("s3://bucket/1/../2", "http://server", "s3://bucket/1"),
        ("s3://other/1/a", "http://server", "s3://bucket/1"),
        ("/etc", "http://server", "mlflow-artifacts:/1"),
        ("http://[", "http://server", "mlflow-artifacts:/1"),
    ],
)
def test_other_places_are_not_followed(place, uri, experiment):
    with pytest.raises(RequestError, match=f"which was not opened.*{VARIABLE}"):
        require(place, uri, experiment)


def test_the_user_may_name_another_place(monkeypatch):
    monkeypatch.setenv(VARIABLE, "/big/disk")
    require("/big/disk/1/a/artifacts", "sqlite:////p/mlflow.db")
    with pytest.raises(RequestError, match="not opened"):
        require("/big/disks", "sqlite:////p/mlflow.db")


@pytest.mark.parametrize("job_id", ["../../../etc", "/etc", "x" * 5000, "", "2026-01-01\n"])
def test_a_record_names_no_job_folder_elsewhere(one_run, job_id):
    change(one_run, "tags SET value = ? WHERE key = 'mnist_exp.job_id'", (job_id,))
    done = mnist_exp(one_run, "resume", "latest")
    assert done.returncode == 2
    assert "names no job folder" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("place", ["/etc", "s3://bucket/x", "http://127.0.0.1:1", "gs://b"])
def test_a_run_whose_record_names_another_place_is_refused_in_words(one_run, place):
    change(one_run, "runs SET artifact_uri = ?", (place,))
    change(one_run, "logged_models SET artifact_location = ?", (place,))
    for command in (
        ("reproduce", "latest", "--check-only"),
        ("evaluate", "latest"),
        ("export", "latest", "--format", "savedmodel", "--out", "model"),
        ("promote", "latest"),
    ):
        done = mnist_exp(one_run, *command)
        assert done.returncode == 2, done
        assert f"Received: {place}" in done.stderr.replace("\n", " ")
        assert "was not opened" in done.stderr
