"""Real stores, a real MLflow server, and runs to put into them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnist_exp.tracking import Index, Recorder, Store, resolve
from mnist_exp.tracking.connection import connect


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store as MLflow makes it, made once: its many migrations take a second."""
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
def python(sealed_environment) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts Python processes in the working folder; those that are left are killed."""
    started = []

    def start(code: str, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Server:
    """An `mlflow server` on a loopback port, which can go down and come back."""

    def __init__(self, store_uri: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._store_uri = store_uri
        self._folder = folder
        self._process = None

    def up(self) -> None:
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--workers",
            "1",
        ]
        command += ["--port", str(self.port), "--backend-store-uri", self._store_uri]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError((self._folder / "server.log").read_text())

    def down(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(empty_store, tmp_path) -> Iterator[Server]:
    """A server that is not up yet, on an empty store of its own."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_store, folder / "server.db")
    server = Server(f"sqlite:///{folder / 'server.db'}", folder)
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
