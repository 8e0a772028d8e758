"""How MLflow's UI shows the runs of an experiment: the columns that compare them.

The UI keeps a saved view as a tag of the experiment, in JSON, and opens the one that the address
names. Ours has one fixed name, so that it is written again only where it is missing or outdated.
"""

import json
from typing import Any

from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.connection import connect

KEY = "mnist_exp"
TAG = f"mlflow.sharedViewState.{KEY}"
TITLE = "mnist_exp: choices and results"
# MLflow opens on its pages for language models unless the address asks for the others.
_PAGE = "/#/experiments/{}/runs?workflowType=machine_learning"
# Column -> width in pixels, from left to right. MLflow's own 100 pixels cut most names; those up to
# the test accuracy fit a window of 1600.
COLUMNS = {
    "attributes.`Run Name`": 190,
    "tags.`data`": 70,
    "tags.`model`": 85,
    "tags.`optimizer`": 90,
    "tags.`schedule`": 95,
    "tags.`augmentation`": 115,
    "metrics.`chosen/val_accuracy`": 155,
    "metrics.`test/accuracy`": 110,
    "metrics.`test/accuracy_low`": 140,
    "metrics.`test/accuracy_high`": 145,
    "metrics.`time/fit_seconds`": 125,
    "metrics.`model/parameters`": 135,
    "params.`seed`": 60,
    "params.`training.epochs`": 125,
    "tags.`training`": 80,
    "tags.`experiment`": 115,
    "attributes.`Description`": 400,
}
# The oldest MLflow whose UI is known to read the tag.
_OLDEST = (3, 17)


def runs_page(uri: str, experiment: str) -> str:
    """Returns the part of the address, below that of the UI, that opens the runs in our columns.

    Args:
        uri: A resolved tracking URI.
        experiment: The experiment's name; where it is absent the answer is empty.
    """
    client = connect(uri)
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return ""
    page = _PAGE.format(known.experiment_id)
    with Attempt():  # MLflow's own columns will do
        if not uri.startswith("http") or reads_views(_version(uri)):
            prepare(client, known)
            return f"{page}&viewStateShareKey={KEY}"
    return page


def prepare(client: Any, experiment: Any) -> None:
    """Gives the experiment the tag of our view, unless it has it.

    Args:
        client: An `MlflowClient`.
        experiment: As the client returned it.
    """
    value = encoded(experiment.creation_time or 0)
    if experiment.tags.get(TAG) != value:
        client.set_experiment_tag(experiment.experiment_id, TAG, value)


def encoded(created: int) -> str:
    """Returns the view as MLflow's UI saves one: its name, and its state as JSON within JSON.

    Args:
        created: When, in unix milliseconds, as the list of views shows it.
    """
    state = {
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
    }
    view = {"name": TITLE, "createdAt": created, "updatedAt": created, "state": json.dumps(state)}
    return json.dumps(view)


def reads_views(version: str) -> bool:
    """Says whether the UI of an MLflow server reads our tag; older ones expect the bare state."""
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) >= _OLDEST


def _version(uri: str) -> str:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    answer = http_request(get_default_host_creds(uri), "/version", "GET")
    return str(answer.text).strip()
