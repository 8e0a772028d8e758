"""The runs of a local file and those of a server are the same, and what MLflow says they are."""

import math
import sqlite3

import pytest
from invoke import python
from requests import Session

from mnist_exp.tracking.journal.events import now
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.database import search
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.store import Point
from mnist_exp.tracking.names import ENSEMBLE_TAG, JOB_ID_TAG, SPACE_TAG, SWEEP_TAG
from mnist_exp.tracking.read.experiment import Experiment

READ = """
import sys
from mnist_exp.tracking.read.runs import current_experiment
experiment = current_experiment()
print([run.job_id for run in experiment.runs()], experiment.champion(), "mlflow" in sys.modules)
"""


def job_ids(runs):
    return [run.job_id for run in runs]


def test_runs_are_what_mlflow_has_newest_first(experiment, add_run):
    assert experiment.runs() == []
    assert experiment.latest() is experiment.best() is experiment.get("a" * 32) is None
    for number in range(3):
        add_run(str(number), now() + number, params={"seed": str(number)}, tags={"model": "cnn"})
    assert job_ids(experiment.runs()) == ["2", "1", "0"]
    assert experiment.runs() == list(experiment.store.search())
    assert job_ids(experiment.runs(2)) == ["2", "1"]
    newest = experiment.runs(1)[0]
    assert (newest.params, newest.metrics) == ({"seed": "2"}, {"val/accuracy": 0.5})
    assert experiment.get(newest.run_id) == experiment.latest() == newest
    assert experiment.names() == ["cnn-2", "cnn-1", "cnn-0"]
    assert Experiment(experiment.uri, "another").runs() == []


def test_every_change_is_seen_at_once(experiment, add_run):
    long_ago = now() - 10**9
    running = add_run("running", long_ago, ended=False)
    doomed = add_run("doomed", long_ago - 1)
    add_run("new")
    store = experiment.store
    assert job_ids(experiment.runs()) == ["new", "running", "doomed"]
    store.end_run(running, "KILLED", long_ago + 5)
    store.log_metrics(running, [Point("evaluate/digits/accuracy", 0.25, now(), 0)])
    store.client.update_run(running, name="renamed")
    store.client.delete_run(doomed)
    assert job_ids(experiment.runs()) == ["new", "running"]
    (run,) = experiment.called("renamed")
    assert (run.status, run.metrics["evaluate/digits/accuracy"]) == ("KILLED", 0.25)
    assert experiment.get(doomed) is None
    store.client.restore_run(doomed)
    assert job_ids(experiment.runs()) == ["new", "running", "doomed"]


def test_numbers_arrive_as_they_are(experiment, add_run):
    run_id = add_run("diverged")
    values = {"a": math.nan, "b": 0.1 + 0.2, "c": 5e-324}
    experiment.store.log_metrics(run_id, [Point(key, v, now(), 1) for key, v in values.items()])
    found = experiment.get(run_id).metrics
    assert {key: repr(found[key]) for key in values} == {k: repr(v) for k, v in values.items()}


def test_parents_of_sweeps_are_found_as_such_alone(experiment, add_run):
    add_run("parent", tags={SPACE_TAG: "{}", SWEEP_TAG: "it's"})
    add_run("job", now() + 1, tags={SWEEP_TAG: "it's"})
    add_run("other", now() + 2, tags={SWEEP_TAG: "gone"})  # its parent was deleted
    assert job_ids(experiment.runs()) == ["other", "job"]
    assert job_ids(experiment.tagged(SWEEP_TAG, "it's")) == ["job", "parent"]
    assert job_ids(experiment.tagged(JOB_ID_TAG, "parent")) == ["parent"]
    assert experiment.sweeps() == ["gone", "it's"]
    assert experiment.called("cnn-parent") == []


def test_latest_is_found_behind_many_parts_of_ensembles(experiment, add_run):
    add_run("whole", 1)
    for number in range(60):
        add_run(f"part-{number}", 2 + number, tags={ENSEMBLE_TAG: "whole"})
    assert experiment.latest().job_id == "whole"
    experiment.store.client.delete_run(experiment.latest().run_id)
    assert experiment.latest().job_id == "part-59"


def test_best_is_found_among_pages_of_accuracies_of_few_images(experiment, add_run, monkeypatch):
    for module in ("mlflow.store", "read.experiment"):
        monkeypatch.setattr(f"mnist_exp.tracking.{module}.RUNS_A_PAGE", 2)
    for number in range(5):
        images = {"data.validation_images": "200"}
        accuracy = 1 - number / 1000
        add_run(f"few-{number}", accuracy=accuracy, chosen=accuracy, params=images)
    add_run("many", accuracy=0.5, chosen=0.991, params={"data.validation_images": "5000"})
    add_run("elsewhere", accuracy=0.9)
    add_run("diverged", accuracy=math.nan)
    assert experiment.best().job_id == "many"
    add_run("without", accuracy=0.995, params={"data.validation_images": "5000"})
    assert experiment.best().job_id == "without"


def test_the_champion_is_seen_at_once(experiment, add_run):
    assert experiment.champion() is None
    client = experiment.store.client
    client.create_registered_model("mnist")
    assert experiment.champion() is None
    for number in ("1", "2"):
        run_id = add_run(number)
        source = experiment.get(run_id).artifact_uri
        client.create_model_version("mnist", source, run_id=run_id)
        client.set_registered_model_alias("mnist", "champion", number)
        assert experiment.champion() == registry.champion(experiment.store)
        assert experiment.champion().run_id == run_id


@pytest.mark.parametrize("experiment", ["file"], indirect=True)
def test_names_of_runs_that_came_from_plain_folders_are_in_a_tag(experiment, add_run):
    run_id = add_run("one")
    with sqlite3.connect(sqlite_path(experiment.uri)) as file:
        for name in ("''", "NULL"):
            file.execute(f"UPDATE runs SET name = {name}")
            file.commit()
            assert experiment.names() == ["cnn-one"]
            assert [run.run_id for run in experiment.called("cnn-one")] == [run_id]
            assert experiment.get(run_id) == experiment.store.get(run_id)
    file.close()


@pytest.mark.parametrize("experiment", ["file"], indirect=True)
def test_a_file_without_tables_has_no_runs(experiment):
    file = sqlite_path(experiment.uri)
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("VACUUM")
    database.close()
    assert experiment.runs() == []
    assert experiment.champion() is None


def test_a_local_store_is_read_without_mlflow(store, add_run):
    add_run("one")
    done = python(READ, fresh=True, check=True)
    assert (done.stdout, done.stderr) == ("['one'] None False\n", "")


def test_where_there_is_no_store_there_are_no_runs(sealed_environment):
    assert python(READ, check=True).stdout.startswith("[] None ")
    (sealed_environment / "mlflow.db").touch()
    assert Experiment(f"sqlite:///{sealed_environment}/mlflow.db", "mnist").runs() == []
    assert (sealed_environment / "mlflow.db").stat().st_size == 0


def test_reading_writes_nothing_and_waits_for_no_writer(store, add_run):
    add_run("one")
    file = sqlite_path(store.uri)
    before = file.read_bytes()
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM metrics")
    assert job_ids(search(file, "mnist")) == ["one"]
    writer.execute("ROLLBACK")
    writer.close()
    assert file.read_bytes() == before


@pytest.mark.parametrize("experiment", ["server"], indirect=True)
def test_a_server_is_asked_twice_for_a_run_or_the_newest(experiment, add_run, monkeypatch):
    for number in range(30):
        add_run(str(number), accuracy=0.9, chosen=0.9)
    asked = []
    send = Session.send
    monkeypatch.setattr(Session, "send", lambda *a, **o: asked.append(a[1].url) or send(*a, **o))
    for read in (lambda: experiment.runs(20), experiment.latest, experiment.best):
        asked.clear()
        assert read()
        assert len(asked) <= 2  # the first may be for the id of the experiment
