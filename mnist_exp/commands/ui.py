"""Starts MLflow's own UI on the store that this folder uses."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnist_exp.commands.sockets import address, is_loopback, listen
from mnist_exp.core import signals
from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.terminal import say
from mnist_exp.core.text import without_password
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.mlflow.view import runs_page
from mnist_exp.tracking.read.runs import current_experiment
from mnist_exp.tracking.sync.recovery import recover

SERVERS = ("http://", "https://")
REMOTE = (*SERVERS, "databricks")
# No jobs for language models in eight more processes, no warnings about the server's own libraries,
# no line for each request.
SERVER_SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
    "UVICORN_LOG_LEVEL": "warning",
}


def serve(host: str, port: int) -> None:
    """Runs `mlflow ui` in the foreground, until Ctrl-C; of a server, says where its UI is.

    Args:
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        RequestError: the port is taken, or the store cannot be used.
    """
    experiment = current_experiment()
    uri = experiment.uri
    preflight(uri)
    recover(Path.cwd())
    if uri.startswith(REMOTE):
        _point_to(uri, experiment.name)
        return
    with listen(host, port, "ui"):
        pass  # it is free
    page = runs_page(uri, experiment.name)  # makes a store where there is none
    path = sqlite_path(uri)
    artifacts = (path.parent if path else Path.cwd()) / "mlruns"
    arguments = ["--host", host, "--port", str(port), "--artifacts-destination", str(artifacts)]
    # One worker: it serves one person, and four would take their gigabytes.
    arguments += ["--workers", "1"]
    say(f"The MLflow UI of {without_password(uri)} (Ctrl-C ends it):")
    say(f"  {address(host, port)}{page}")
    if not is_loopback(host):
        say(
            f"Anybody who reaches {host} over the network can read, change and delete runs here: "
            "there is no password, and no encryption.",
            error=True,
        )
    # Others can read arguments; the address may have a password.
    _run(arguments, {**SERVER_SETTINGS, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri})


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs MLflow's server until it or this command is stopped.

    Raises:
        ExperimentError: it ended by itself.
    """
    command = [sys.executable, "-P", "-m", "mlflow", "ui", *arguments]
    # Away from the terminal: uvicorn answers its Ctrl-C with a traceback.
    process: subprocess.Popen[bytes] | None = None
    try:
        with signals.held():  # Ctrl-C amid the start would leave it behind
            process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
        code = process.wait()
    except BaseException:
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        raise
    raise ExperimentError(
        f"Expected MLflow's server to run until Ctrl-C. Received: its end, with exit code {code}. "
        "What it said stands above."
    )


def _point_to(uri: str, experiment: str) -> None:
    say(f"The runs are kept by a server that has the MLflow UI itself: {without_password(uri)}")
    with Attempt():  # a server that does not answer has no page to point to
        page = runs_page(uri, experiment) if uri.startswith(SERVERS) else ""
        if page:
            say(f"  {uri.rstrip('/')}{page}")
