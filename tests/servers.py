"""Servers on loopback ports: waited for, and ended with the test."""

import contextlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import waiting
from invoke import Process, start, start_python

_END_SECONDS = 60.0  # for a server that was asked to end; it takes one


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def page(address: str, process: Process) -> str:
    """Returns a page, once its server answers."""

    def ask() -> str:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=30) as answer:
            return answer.read().decode()
        return ""

    return waiting.until(ask, process=process, what=f"{address} does not answer")


@contextlib.contextmanager
def serving(
    folder: Path, verb: str, *arguments: str, port: int | None = None
) -> Iterator[tuple[str, Process]]:
    """Runs `mnist-exp ui` or `demo` while the block lasts.

    Args:
        folder: with runs.
        verb: which.
        *arguments: of the verb.
        port: to listen on; None for a free one.

    Yields:
        The address, which answers, and the process.
    """
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    with start(folder, verb, *arguments, "--port", str(port)) as process:
        try:
            wait_for(address, process)
            yield address, process
        finally:
            end(process)


@contextlib.contextmanager
def serving_model(command: str) -> Iterator[str]:
    """Runs what `promote` says serves the champion, on a free port; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        ["bash", "-c", command.replace("5001", str(port))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/ping", process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_for(address: str, process: Process) -> None:
    """Waits until a server answers.

    Raises:
        AssertionError: it ended, or does not answer; with what it said.
    """

    def said() -> str:
        process.kill()
        return str(process.communicate())

    waiting.until(lambda: _answers(address), process=process, what=said)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def end(process: Process) -> None:
    """Asks a server to end; kills one that does not."""
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


# `mlflow server`, with the program that it would start as another process run in its own.
MLFLOW = """
import os, runpy, sys
import mlflow.server
from mlflow.cli import cli

def run(command, extra_env, **_):
    os.environ.update(extra_env)
    sys.argv = command[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

mlflow.server._exec_cmd = run
cli(sys.argv[1:])
"""


class MlflowServer:
    """An `mlflow server`, which can go down and come back."""

    def __init__(self, store_uri: str, folder: Path) -> None:
        """Starts nothing yet.

        Args:
            store_uri: of the store behind it.
            folder: for its log and its artifacts.
        """
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._store_uri = store_uri
        self.folder = folder
        self._process: Process | None = None

    def up(self) -> None:
        """Starts it, and waits until it answers."""
        arguments = ["server", "--host", "127.0.0.1", "--workers", "1", "--port", str(self.port)]
        arguments += ["--backend-store-uri", self._store_uri]
        arguments += ["--artifacts-destination", str(self.folder / "artifacts")]
        options = {"cwd": self.folder, "start_new_session": True}
        log = self.folder / "server.log"
        with log.open("ab") as file:
            self._process = start_python(MLFLOW, *arguments, stdout=file, stderr=file, **options)
        health = f"{self.uri}/health"
        waiting.until(lambda: _answers(health), process=self._process, what=log.read_text)

    @property
    def database(self) -> Path:
        """The file of its store, where that is one."""
        return Path(self._store_uri.removeprefix("sqlite:///"))

    def freeze(self) -> None:
        """Has it take connections, and answer nothing."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it answer again."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def down(self) -> None:
        """Kills it, at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
