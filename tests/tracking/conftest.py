"""Real stores, a real MLflow server, and runs to put into them."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from invoke import Process, start_python
from mlflow.exceptions import MlflowException
from servers import MlflowServer

from mnist_exp.evaluation.names import CHOSEN_VAL_ACCURACY, VAL_ACCURACY
from mnist_exp.tracking.journal.events import Start, now
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Point, Store
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.recorder import Recorder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store as MLflow makes it, which no connection is open to."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(empty_store, sealed_environment) -> Store:
    """An empty store in the working folder."""
    shutil.copy(empty_store, sealed_environment / "mlflow.db")
    return Store(resolve(None), "mnist")


@pytest.fixture(scope="module")
def shared_server(empty_store, tmp_path_factory) -> Iterator[MlflowServer]:
    """A server that is up, for tests with experiments of their own."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "server.db")
    server = MlflowServer(f"sqlite:///{folder / 'server.db'}", folder)
    server.up()
    yield server
    server.down()


@pytest.fixture(params=["file", "server"])
def experiment(request, sealed_environment) -> Experiment:
    """An experiment without runs, in a local store or on a server without models."""
    if request.param == "file":
        return Experiment(request.getfixturevalue("store").uri, "mnist")
    experiment = Experiment(request.getfixturevalue("shared_server").uri, str(uuid4()))
    with contextlib.suppress(MlflowException):
        experiment.store.client.delete_registered_model("mnist")
    return experiment


@pytest.fixture
def add_run(request) -> Callable[..., str]:
    """Adds a run to the experiment of the test, or to its store; returns the run's id."""
    names = request.fixturenames
    store = request.getfixturevalue("experiment").store if "experiment" in names else None
    store = store or request.getfixturevalue("store")

    def add(
        job_id: str,
        time: int | None = None,
        *,
        name: str = "",
        ended: bool = True,
        accuracy: float | None = 0.5,
        chosen: float | bool = False,
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        time = now() if time is None else time
        start = Start(
            time, job_id, name or f"cnn-{job_id}", store.experiment, store.uri,
            {}, {}, "", None, {},
        )  # fmt: skip
        run_id = store.create_run(start)
        store.log_params(run_id, params or {})
        store.set_tags(run_id, tags or {})
        metrics = {} if accuracy is None else {VAL_ACCURACY: accuracy}
        if chosen:
            metrics[CHOSEN_VAL_ACCURACY] = chosen
        store.log_metrics(run_id, [Point(key, v, time, 1) for key, v in metrics.items()])
        if ended:
            store.end_run(run_id, "FINISHED", time + 1)
        return run_id

    return add


@pytest.fixture
def start_run(sealed_environment) -> Callable[..., Recorder]:
    """Starts the record of a run in a job folder named after its job id."""

    def start(job_id: str = "job-1", **changes) -> Recorder:
        job_dir = sealed_environment / "outputs" / job_id
        job_dir.mkdir(parents=True, exist_ok=True)
        values = {
            "run_name": f"cnn-{job_id}",
            "uri": None,
            "experiment": "mnist",
            "config": {"seed": 1, "model": {"name": "cnn"}},
            "params": {"seed": "1", "model.name": "cnn"},
            "tags": {"model": "cnn"},
            "description": "A **small** net.",
        }
        return Recorder.start(job_dir, job_id=job_id, **(values | changes))

    return start


@pytest.fixture
def python(sealed_environment) -> Iterator[Callable[..., Process]]:
    """Starts Python processes in the working folder; those that are left are killed."""
    started = []

    def start(code: str, *arguments: str, **options: bool) -> Process:
        process = start_python(code, *arguments, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def server(empty_store, tmp_path) -> Iterator[MlflowServer]:
    """A server that is not up yet, on an empty store of its own."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_store, folder / "server.db")
    server = MlflowServer(f"sqlite:///{folder / 'server.db'}", folder)
    yield server
    server.down()


@pytest.fixture(scope="module")
def network():
    """A network as small as a logged model can be: raw pixels in, ten probabilities out."""
    import keras

    layers = [
        keras.Input((28, 28), dtype="uint8"),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    return keras.Sequential(layers)
