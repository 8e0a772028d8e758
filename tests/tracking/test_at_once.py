"""Sixteen runs begin at the same moment in a store that nobody has used: each arrives once."""

import subprocess
from collections.abc import Iterator

import pytest
from databases import PostgreSQL, postgresql
from projects import artifact
from servers import MlflowServer

from mnist_exp.tracking.journal.pending_runs import pending
from mnist_exp.tracking.mlflow.store import Store

RUNS = 16
EPOCHS = 5
# It begins when it is told to, and says whether MLflow has all of it.
RUN = """
import sys
from pathlib import Path
from mnist_exp.tracking.recorder import Recorder
job_id = sys.argv[1]
job_dir = Path("outputs", job_id)
job_dir.mkdir(parents=True)
sys.stdin.readline()
recorder = Recorder.start(
    job_dir, job_id=job_id, run_name=job_id, uri=None, experiment="mnist", config={},
    params={"seed": job_id}, tags={"model": "cnn"},
)
recorder.dataset(name="digits", digest="1" * 64, source="digits", sizes={"train": 1})
recorder.artifact("log.txt", lambda file: file.write_text(job_id))
for epoch in range(1, int(sys.argv[2]) + 1):
    recorder.metrics({"train/loss": 1 / epoch, "val/accuracy": epoch / 10}, step=epoch)
recorder.metrics({"test/accuracy": 0.9})
print(recorder.end("finished"))
"""

pytestmark = pytest.mark.xdist_group("at_once")


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    """A PostgreSQL server."""
    with postgresql() as server:
        yield server


STORES = [
    "file",
    "file-server",
    pytest.param(
        "postgresql",
        marks=pytest.mark.long("sixteen runs at once in PostgreSQL with no server before it"),
    ),
    "postgresql-server",
]


@pytest.fixture(params=STORES)
def uri(request, sealed_environment) -> Iterator[str]:
    """Names a store without tables, or a server that has just made them."""
    kind, _, served = request.param.partition("-")
    name = "sqlite:///store.db"
    if kind == "postgresql":
        name = request.getfixturevalue("database").database(request.param)
    if not served:
        yield name
        return
    server = MlflowServer(name, sealed_environment)
    server.up()
    yield server.uri
    server.down()


def test_runs_that_begin_at_once_in_a_new_store(uri, python, sealed_environment, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # of its password the journals hold nothing
    jobs = [f"job-{number}" for number in range(RUNS)]
    processes = [python(RUN, job, str(EPOCHS), stdin=subprocess.PIPE) for job in jobs]
    for process in processes:
        process.stdin.write("begin\n")
        process.stdin.flush()
    said = [(*process.communicate(), process.returncode) for process in processes]
    assert said == [("True\n", "", 0)] * RUNS

    store = Store(uri, "mnist")
    runs = {run.name: run for run in store.search()}
    assert sorted(runs) == sorted(jobs)
    assert len(list(store.search())) == RUNS
    experiments = {found.name for found in store.client.search_experiments()}
    assert experiments == {"Default", "mnist"}
    epochs = list(range(1, EPOCHS + 1))
    steps = {"train/loss": epochs, "val/accuracy": epochs, "test/accuracy": [0]}
    for job, run in runs.items():
        assert (run.status, run.outcome, run.params) == ("FINISHED", "finished", {"seed": job})
        for key, expected in steps.items():
            points = store.client.get_metric_history(run.run_id, key)
            assert [point.step for point in points] == expected
        assert artifact(store, run.run_id, "log.txt").read_text() == job
        assert len(store.client.get_run(run.run_id).inputs.dataset_inputs) == 1
    assert list(pending(sealed_environment)) == []
