"""What a server that is down, or that accepts connections and says nothing, adds to a command."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from measuring import MNIST_EXP, Line, progress, run, variables

DOWN_SECONDS = 2.0  # that an outage of the whole run may add to it
FROZEN_SECONDS = 3.0  # that a frozen server may add to a command that reads
TRAIN = (MNIST_EXP, "train", "data=digits", "training=smoke")
RUNS = (MNIST_EXP, "runs")
UNREACHABLE = 2  # the exit code of a command that cannot read without the server
START_SECONDS = 120.0
CAPTION = "Each beside the same command with a server that answers, in turn."


def measure(folder: Path, runs: int) -> list[Line]:
    """Runs commands while a server answers, while none is there, and while it is frozen.

    Args:
        folder: an empty one.
        runs: how often each; one more goes before, unmeasured, to make the store.

    Returns:
        Lines of seconds.
    """
    found: dict[str, list[float]] = {}

    def add(name: str, command: tuple[str, ...], uri: str, exit_code: int = 0) -> None:
        own = folder / name  # what an outage leaves behind is sent by the next command there
        own.mkdir(exist_ok=True)
        environment = {"MLFLOW_TRACKING_URI": uri}
        sample = run(command, own, exit_code=exit_code, environment=environment)
        found.setdefault(name, []).append(sample.seconds)

    with server(folder / "server") as (uri, process):
        run(TRAIN, folder, environment={"MLFLOW_TRACKING_URI": uri})
        for number in range(runs):
            add("train", TRAIN, uri)
            add("train, down", TRAIN, f"http://127.0.0.1:{free_port()}")
            add("runs", RUNS, uri)
            with frozen(process):
                add("train, frozen", TRAIN, uri)
                add("runs, frozen", RUNS, uri, UNREACHABLE)
            progress(f"outages, {number + 1} of {runs}")

    def beyond(name: str) -> list[float]:
        usual = found[name.partition(",")[0]]
        return [seconds - beside for seconds, beside in zip(found[name], usual, strict=True)]

    return [
        Line("a run of one epoch, with a server that answers", "s", found["train"]),
        Line("  that is down, beyond it", "s", beyond("train, down"), DOWN_SECONDS),
        Line("  that is frozen, beyond it", "s", beyond("train, frozen")),
        Line("mnist-exp runs, with a server that answers", "s", found["runs"]),
        Line("  that is frozen, beyond it", "s", beyond("runs, frozen"), FROZEN_SECONDS),
    ]


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Runs MLflow's server on a loopback port while the block lasts.

    Args:
        folder: a new one, for its store and its log.

    Yields:
        Its address, which answers, and its process, which leads a group of its own.
    """
    folder.mkdir()
    port = str(free_port())
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1"],
            cwd=folder,
            env=variables(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(f"{uri}/health", process, folder)
        yield uri, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Waits until a server answers, and gives up where it ends or is too slow."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    sys.exit(f"The server of MLflow does not answer.\n{(folder / 'log.txt').read_text()}")


@contextlib.contextmanager
def frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stops a group of processes while the block lasts: the system takes connections for it."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)
