"""What a job needs on a machine that does not have the sweep's folder: settings and data.

Its record goes to a tracking server; the job folder is a temporary one.
"""

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mnist_exp import data
from mnist_exp.config.schema import Config
from mnist_exp.core import numerics
from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import say
from mnist_exp.sweeps.task import Task
from mnist_exp.tracking.journal import pending_runs
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.sync.recovery import recover

_SEND_SECONDS = 60.0  # for a record to reach its server, before the job counts as over
_POLL_SECONDS = 0.5
# Of MLflow, of this project, and what decides with which kernels TensorFlow computes: all jobs of a
# sweep have the same.
_SETTINGS = ("MLFLOW_", "MNIST_EXP_", *numerics.VARIABLES)


@dataclass(frozen=True)
class Payload:
    """What travels beside the tasks of one data set."""

    settings: Mapping[str, str] = field(default_factory=dict)  # environment variables
    files: Mapping[str, bytes] = field(default_factory=dict)  # of the data, by name

    @classmethod
    def of(cls, config: Config) -> "Payload":
        """Packs what a job needs.

        Raises:
            RequestError: the data are not there.
        """
        settings = {k: text for k, text in os.environ.items() if k.startswith(_SETTINGS)}
        found = data.files(config.data.name, config.data.options().get("root"))
        return cls(settings, {file.name: file.read_bytes() for file in found})


@contextmanager
def unpacked(task: Task, payload: Payload) -> Iterator[Task]:
    """Makes a machine ready for a job, with the settings of the command and in its folder.

    Where the machine does not have the folder, a temporary one stands in for it.

    Args:
        task: the job.
        payload: what came along.

    Yields:
        The task as it runs here.

    Raises:
        RequestError: the job would be recorded in a store that this machine cannot reach.
    """
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]  # of whoever started the cluster
    os.environ.update(payload.settings)
    home = Path(task.hydra["runtime"]["cwd"])
    if home.is_dir():
        with chdir(home):
            yield task
        return
    uri = location.resolve(task.config.tracking.uri)
    if location.sqlite_path(uri) is not None:
        raise RequestError(
            f"Expected a tracking server, since {platform.node()} does not have the folder of the "
            f"sweep. Received: the store in that folder, {home}. Set "
            "MLFLOW_TRACKING_URI or tracking.uri, or share the folder with all machines."
        )
    folder = Path(tempfile.mkdtemp(prefix="mnist-exp-"))
    try:
        with chdir(folder):
            yield _here(task, folder, payload)
    finally:
        _send(folder)


def _send(folder: Path) -> None:
    """Waits until the record in a folder is sent, and removes the folder, or says that it stays."""
    deadline = time.monotonic() + _SEND_SECONDS
    while any(pending_runs.pending(folder)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # a full disk; the result of the job is worth more
            recover(folder)
    if any(pending_runs.pending(folder)):
        say(f"A record waits in {folder}; `mnist-exp sync` there sends it.", error=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _here(task: Task, folder: Path, payload: Payload) -> Task:
    config = task.config
    if payload.files:
        place = folder / "data"
        place.mkdir()
        for name, content in payload.files.items():
            (place / name).write_bytes(content)
        moved = config.data.model_copy(update={"root": str(place)})
        config = config.model_copy(update={"data": moved})
    runtime = {**task.hydra["runtime"], "cwd": str(folder)}
    sweep = {**task.hydra["sweep"], "dir": pending_runs.OUTPUTS}
    return replace(task, config=config, hydra={**task.hydra, "runtime": runtime, "sweep": sweep})
