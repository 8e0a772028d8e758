"""Real stores, a real MLflow server, and runs to put into them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from invoke import Process, start_python
from servers import MlflowServer

from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store
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


@pytest.fixture
def index(store) -> Iterator[Index]:
    """The index of that store."""
    index = Index.open(store.uri, store.experiment)
    yield index
    index.close()


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
