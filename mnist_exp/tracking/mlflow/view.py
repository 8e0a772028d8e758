"""How MLflow's UI shows the runs of an experiment: its columns, its charts, and seeds together.

The UI keeps a saved view as a tag of the experiment, in JSON, and opens the one that the address
names. Ours have fixed names, so that they are written again only where they are missing or
outdated. What no view decides, MLflow does: the order of a run's page, the page of a comparison.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnist_exp.evaluation.names import (
    CHOSEN_VAL_ACCURACY,
    FIT_SECONDS,
    PARAMETERS,
    SWEEP_JOBS,
    SWEPT,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
)
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.connection import connect
from mnist_exp.tracking.names import GROUP_TAG, KEY_TAG, SWEEP_TAG

KEY, SEEDS_KEY = "mnist_exp", "mnist_exp_seeds"
TAG, SEEDS_TAG = (f"mlflow.sharedViewState.{key}" for key in (KEY, SEEDS_KEY))
TITLE, SEEDS_TITLE = "mnist_exp: results and choices", "mnist_exp: seeds averaged"
# MLflow opens on its pages for language models unless the address asks for the others.
_PAGE = "/#/experiments/{}/runs?workflowType=machine_learning"
# Column -> width in pixels, from left to right. MLflow's own 100 pixels cut most names. The first
# ones, among which MLflow puts the date, fit a window of 1440.
_NAME = "attributes.`Run Name`"
_RESULTS = {
    _NAME: 175,
    f"metrics.`{CHOSEN_VAL_ACCURACY}`": 155,
    f"metrics.`{TEST_ACCURACY}`": 105,
    f"metrics.`{TEST_ACCURACY_LOW}`": 140,
    f"metrics.`{TEST_ACCURACY_HIGH}`": 145,
    "tags.`data`": 65,
    "tags.`model`": 85,
    f"metrics.`{SWEEP_JOBS}`": 90,
}
_CHOICES = {
    "tags.`optimizer`": 90,
    "tags.`schedule`": 95,
    "tags.`augmentation`": 115,
    "params.`seed`": 60,
    "params.`training.epochs`": 125,
    f"metrics.`{FIT_SECONDS}`": 125,
    f"metrics.`{PARAMETERS}`": 135,
    "tags.`training`": 80,
    "tags.`experiment`": 115,
    f"tags.`{GROUP_TAG}`": 150,
    "attributes.`Description`": 400,
}
_OF_ONE_RUN = {f"metrics.`{key}`" for key in (TEST_ACCURACY_LOW, TEST_ACCURACY_HIGH, SWEEP_JOBS)}
_SWEPT_PIXELS = 195
_JOBS = 100  # of the newest sweep, that are looked at for what it varies
_GROUP_PIXELS = 270  # of the name, for "Group: " before it
# The charts that are open at first, and the sections of the others, which are folded.
_CHARTS = (VAL_ACCURACY, VAL_LOSS, TRAIN_LOSS)  # as many as stand side by side
_OPEN = "accuracy and loss"
_FOLDED = ("chosen", "test", "val", "train", "selective", "model", "time", "sweep", "")
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
    """Gives the experiment the tags of our views, unless it has them.

    Args:
        client: An `MlflowClient`.
        experiment: As the client returned it.
    """
    created = experiment.creation_time or 0
    swept = _swept(client, experiment.experiment_id)
    views = {
        TAG: encoded(TITLE, created, _state(_columns(swept), swept)),
        SEEDS_TAG: encoded(SEEDS_TITLE, created, _seeds(swept)),
    }
    for tag, value in views.items():
        if experiment.tags.get(tag) != value:
            client.set_experiment_tag(experiment.experiment_id, tag, value)


def encoded(title: str, created: int, state: dict[str, Any]) -> str:
    """Returns a view as MLflow's UI saves one: its name, and its state as JSON within JSON.

    Args:
        title: As the list of views shows it.
        created: When, in unix milliseconds, as that list shows it.
        state: Of the page of runs, as the UI has it.
    """
    view = {"name": title, "createdAt": created, "updatedAt": created, "state": json.dumps(state)}
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


def _swept(client: Any, experiment_id: str) -> list[str]:
    """Returns the metrics with what the newest sweep varies."""
    ended = f"tags.`{KEY_TAG}` != '' AND attributes.status = 'FINISHED'"
    jobs = [run.data for run in client.search_runs([experiment_id], ended, max_results=_JOBS)]
    own = [job for job in jobs if job.tags.get(SWEEP_TAG) == jobs[0].tags.get(SWEEP_TAG)]
    return sorted({key for job in own for key in job.metrics if key.startswith(SWEPT)})


def _columns(swept: Iterable[str]) -> dict[str, int]:
    return _RESULTS | {f"metrics.`{key}`": _SWEPT_PIXELS for key in swept} | _CHOICES


def _state(columns: Mapping[str, int], swept: Sequence[str]) -> dict[str, Any]:
    return {
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict(columns),
        "compareRunCharts": [
            *(_line(key) for key in _CHARTS),
            *(chart for key in swept for chart in _swept_charts(key)),
        ],
        "compareRunSections": [
            _section(_OPEN),
            *([_section(SWEPT[:-1])] if swept else []),
            *(_section(name, shown=False) for name in _FOLDED),
        ],
        "isAccordionReordered": True,  # else MLflow sorts the sections
    }


def _seeds(swept: Sequence[str]) -> dict[str, Any]:
    """Returns the same with the runs of each config as a group, which shows their averages.

    The average of intervals is no interval, and a sweep's parent is in no group.
    """
    kept = {name: width for name, width in _columns(swept).items() if name not in _OF_ONE_RUN}
    return _state(kept | {_NAME: _GROUP_PIXELS}, swept) | {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": GROUP_TAG}],
        },
    }


def _section(name: str, *, shown: bool = True) -> dict[str, Any]:
    same = {"isReordered": False, "deleted": False, "isGenerated": True}
    return {"uuid": f"section {name}", "name": name, "display": shown, **same}


def _chart(kind: str, section: str, name: str, **settings: Any) -> dict[str, Any]:
    place = {"uuid": f"{kind} {name}", "type": kind, "metricSectionId": f"section {section}"}
    return {**place, "displayName": name, "deleted": False, "isGenerated": False, **settings}


def _line(key: str) -> dict[str, Any]:
    return _chart(
        "LINE",
        _OPEN,
        key,
        metricKey=key,
        xAxisKey="step",
        xAxisScaleType="linear",
        scaleType="linear",
        yAxisKey="metric",
        yAxisExpressions=[],
        range={},
        lineSmoothness=0,
        selectedXAxisMetricKey="",
        useGlobalXaxisKey=True,
        useGlobalLineSmoothing=True,
    )


def _swept_charts(key: str) -> list[dict[str, Any]]:
    """Returns validation accuracy over a number, in place of the bars that MLflow would draw."""
    section, name = SWEPT[:-1], key.removeprefix(SWEPT)
    axes = {
        "xaxis": {"key": key, "type": "METRIC"},
        "yaxis": {"key": CHOSEN_VAL_ACCURACY, "type": "METRIC"},
    }
    bars = _chart("BAR", section, key, metricKey=key)
    return [
        _chart("SCATTER", section, name, runsCountToCompare=100, **axes),
        bars | {"deleted": True},
    ]
