"""The store is made once, and holds what a plain MLflow client and UI look for."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from waiting import until

from mnist_exp.core.errors import ExperimentError
from mnist_exp.tracking.journal.events import Dataset, Start
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.mlflow.location import resolve, sqlite_path, sqlite_uri
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.mlflow.store import Point, Store
from mnist_exp.tracking.names import OUTCOME_TAG

CREATE = """
import os, sys
import mlflow.store.tracking.sqlalchemy_store  # before the fork: ten imports take half a minute
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.journal.events import Start

def create(number):
    start = Start(1, f"job-{number}", "cnn", "mnist", resolve(None), {}, {}, "", None, {})
    Store(start.uri, "mnist").create_run(start)

children = []
for number in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        create(number)
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


KILLED = "from mnist_exp.tracking.mlflow.connection import connect; connect('sqlite:///mlflow.db')"


# A run whose process is killed: what it wrote last stays in mlflow.db-wal.
WRITE = (
    CREATE.partition("children")[0]
    + """
create(1)
os.kill(os.getpid(), 9)
"""
)


def start_event(**changes) -> Start:
    values = {
        "time": 1_700_000_000_000,
        "job_id": "job-1",
        "run_name": "cnn-1",
        "experiment": "mnist",
        "uri": resolve(None),
        "params": {},
        "tags": {},
        "description": "",
        "parent_job_id": None,
        "config": {},
    }
    return Start(**(values | changes))


@pytest.fixture
def run_id(store) -> str:
    return store.create_run(start_event())


def test_ten_processes_make_one_store(python):
    assert python(CREATE, "10").communicate(timeout=300) == (f"{[0] * 10}\n", "")
    with sqlite3.connect("mlflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("SELECT COUNT(*) FROM runs").fetchone() == (10,)
        names = database.execute("SELECT name FROM experiments ORDER BY name").fetchall()
    database.close()
    assert names == [("Default",), ("mnist",)]
    preflight(resolve(None))


def test_a_job_killed_while_it_makes_the_store_leaves_none(python):
    process = python(KILLED, fresh=True)  # a fork copies a store that is made already
    until(lambda: list(Path.cwd().glob(".mlflow.db.*/mlflow.db")), process=process)
    process.kill()
    process.wait()
    assert not Path("mlflow.db").exists()
    connect(resolve(None))
    preflight(resolve(None))
    assert not list(Path.cwd().glob(".mlflow.db.*"))


def test_what_is_left_of_a_store_moved_away_is_not_read(python, sealed_environment):
    python(WRITE).wait(timeout=120)
    assert Path("mlflow.db-wal").stat().st_size > 0
    Path("mlflow.db").rename("moved.db")
    process = python(CREATE, "1")
    assert process.communicate(timeout=120)[0] == "[0]\n"
    with sqlite3.connect("mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_the_store_and_its_artifacts_lie_where_mlflow_puts_them(run_id, sealed_environment):
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")  # what a plain `mlflow ui` opens
    run = client.get_run(run_id)
    experiment = client.get_experiment_by_name("mnist")
    assert experiment.artifact_location == f"{sealed_environment}/mlruns/{experiment.experiment_id}"
    assert run.info.artifact_uri.startswith(experiment.artifact_location)


@pytest.mark.parametrize("name", ["else where", "else%20where", 'el\'se "where"'])
def test_a_store_elsewhere_keeps_its_artifacts_beside_it(sealed_environment, name):
    folder = sealed_environment / name
    folder.mkdir()
    store = Store(sqlite_uri(folder / "runs.db"), "mnist")
    run_id = store.create_run(start_event(uri=store.uri))
    Path("a.txt").write_text("a")
    store.log_artifact(run_id, Path("a.txt"), "texts/a.txt")
    assert (folder / "mlruns" / "1" / run_id / "artifacts" / "texts" / "a.txt").read_text() == "a"
    assert store.listed(run_id, "texts") == {"texts/a.txt"}
    for stray in sealed_environment.glob("else%25*"):  # MLflow makes the folder of the URI
        shutil.rmtree(stray)
    assert {path.name for path in sealed_environment.iterdir()} == {name, "a.txt"}


def test_a_store_of_mlflows_own_making_gets_write_ahead_logging(store):
    path = sqlite_path(store.uri)
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    database.close()
    connect(store.uri)
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_run_keeps_its_journalled_identity(store, run_id):
    found = store.find_run("job-1")
    assert (found.run_id, found.name, found.start_time) == (run_id, "cnn-1", 1_700_000_000_000)
    assert (found.status, found.job_id, found.outcome) == ("RUNNING", "job-1", None)
    assert store.find_run("job-2") is None
    assert store.get("0" * 32) is None


def test_a_child_names_its_parent(store, run_id):
    for job_id, parent in [
        ("a", {"parent_job_id": "job-1"}),
        ("c", {"parent_job_id": "unknown"}),
    ]:
        store.create_run(start_event(job_id=job_id, **parent))
    parents = [store.find_run(job).tags.get("mlflow.parentRunId") for job in "ac"]
    assert parents == [run_id, None]


def test_many_and_long_params_and_tags_arrive(store, run_id):
    many = {f"group.key_{number}": str(number) for number in range(250)}
    for _ in range(2):
        store.log_params(run_id, {**many, "long": "x" * 10_000})
        store.set_tags(run_id, {**many, "long": "y" * 10_000})
    run = store.get(run_id)
    assert {key: run.params[key] for key in many} == many
    assert {key: run.tags[key] for key in many} == many
    assert (len(run.params["long"]), len(run.tags["long"])) == (6000, 8000)


def test_points_keep_time_and_step_and_arrive_once(store, run_id):
    points = [
        Point("val/accuracy", number / 2000, 1_700_000_000_000, number) for number in range(1500)
    ]
    for _ in range(2):
        store.log_metrics(run_id, points)
    history = store.client.get_metric_history(run_id, "val/accuracy")
    assert [(m.key, m.value, m.timestamp, m.step) for m in history] == points
    keys = ["val/accuracy", "never logged"]
    assert store.recorded(run_id, keys) == {("val/accuracy", p.step): p.value for p in points}


def test_runs_that_name_the_same_new_data_at_once(store):
    """As an ensemble and its first member do."""
    runs = [store.create_run(start_event(job_id=f"job-{number}")) for number in range(2)]
    together = threading.Barrier(len(runs))
    problems = []

    def log(run_id):
        own = Store(store.uri, store.experiment)
        for number in range(20):
            dataset = Dataset(1, "mnist", f"{number:064x}"[::-1], "/data/mnist", {"train": 5})
            together.wait()
            try:
                own.log_dataset(run_id, dataset)
            except Exception as problem:  # noqa: BLE001 - whatever it is
                problems.append(problem)

    threads = [threading.Thread(target=log, args=[run_id]) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    for run_id in runs:
        assert len(store.client.get_run(run_id).inputs.dataset_inputs) == 20


def test_the_dataset_is_logged_once_as_the_ui_shows_it(store, run_id):
    dataset = Dataset(1, "mnist", "0123456789abcdef" * 4, "/data/mnist", {"train": 5, "test": 2})
    for _ in range(2):
        store.log_dataset(run_id, dataset)
    (shown,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert shown.dataset.digest == "0123456789abcdef0123456789abcdef0123"
    assert (shown.dataset.source_type, json.loads(shown.dataset.source)) == (
        "local",
        {"uri": "/data/mnist"},
    )
    assert json.loads(shown.dataset.profile)["train"] == 5
    from mlflow.data.schema import TensorDatasetSchema

    schema = TensorDatasetSchema.from_dict(json.loads(shown.dataset.schema))
    assert schema.features.inputs[0].shape == (-1, 28, 28)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("https://host/x.gz", "http"), ("/data", "local"), ("scikit-learn digits", "code")],
)
def test_each_kind_of_data_source_is_named(store, run_id, source, expected):
    store.log_dataset(run_id, Dataset(1, "d", "00", source, {"train": 1}))
    (shown,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert shown.dataset.source_type == expected


def test_a_run_ends_and_is_opened_again(store, run_id):
    store.end_run(run_id, "KILLED", 1_700_000_005_000)
    assert (store.get(run_id).status, store.get(run_id).end_time) == ("KILLED", 1_700_000_005_000)
    store.set_tags(run_id, {OUTCOME_TAG: "killed"})
    for _ in range(2):  # the second time there is no outcome to take away
        store.reopen_run(run_id)
        assert (store.get(run_id).status, store.get(run_id).outcome) == ("RUNNING", None)


def test_search_pages_through_everything(store, monkeypatch):
    monkeypatch.setattr("mnist_exp.tracking.mlflow.store.RUNS_A_PAGE", 2)
    for number in range(5):
        store.create_run(start_event(job_id=str(number), time=1_700_000_000_000 + number))
    assert [run.job_id for run in store.search()] == ["4", "3", "2", "1", "0"]
    store.client.delete_run(store.find_run("3").run_id)
    assert [run.job_id for run in store.search()] == ["4", "2", "1", "0"]
    assert store.find_run("3").deleted


def test_a_deleted_experiment_is_named(store, run_id):
    experiment = store.client.get_experiment_by_name("mnist").experiment_id
    store.client.delete_experiment(experiment)
    with pytest.raises(ExperimentError, match=f"--experiment-id {experiment}"):
        store.create_run(start_event(job_id="job-2"))


def test_writers_at_once_all_get_through(store):
    def write(number: int) -> None:
        own = Store(store.uri, "mnist")
        run_id = own.create_run(start_event(job_id=f"job-{number}"))
        for step in range(10):
            own.log_metrics(run_id, [Point("train/loss", step, 1, step)])

    store.find_run("job-1")
    threads = [threading.Thread(target=write, args=[number]) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.metrics["train/loss"] for run in store.search()) == [9.0] * 5
