"""Starts MLflow's own UI on the store that this folder uses."""

import os
from pathlib import Path

from mnist_exp.commands.sockets import listen
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
# No jobs for language models in eight more processes, no warnings about the server's own libraries.
SERVER_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONWARNINGS": "ignore"}


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
    arguments = ["--backend-store-uri", uri, "--artifacts-destination", str(artifacts)]
    # One worker: it serves one person, and four would take their gigabytes.
    arguments += ["--host", host, "--port", str(port), "--workers", "1"]
    for name, value in SERVER_SETTINGS.items():
        os.environ.setdefault(name, value)
    shown = f"[{host}]" if ":" in host else host
    say(f"The MLflow UI of {without_password(uri)} (Ctrl-C ends it):")
    say(f"  http://{shown}:{port}{page}")
    from mlflow.cli import cli

    cli(["ui", *arguments])


def _point_to(uri: str, experiment: str) -> None:
    say(f"The runs are kept by a server that has the MLflow UI itself: {without_password(uri)}")
    with Attempt():  # a server that does not answer has no page to point to
        page = runs_page(uri, experiment) if uri.startswith(SERVERS) else ""
        if page:
            say(f"  {uri.rstrip('/')}{page}")
