"""The record of runs: a journal in the job folder, MLflow as the truth, a local index to read.

    names      of tags and artifacts
    journal/   what a run wrote, in its job folder
    mlflow/    every call of MLflow
    index      a local copy of the runs
    sync/      journal -> MLflow, during a run and after it
    read/      recorded runs, found and read with distrust
    recorder   a run's own door: into the journal, and from there to MLflow

Importing this package imports nothing else; each name loads its module when it is first used, and
MLflow is loaded when it is first called.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_exp.tracking.index import Index
    from mnist_exp.tracking.mlflow.location import preflight, resolve
    from mnist_exp.tracking.mlflow.store import Point, Store
    from mnist_exp.tracking.read.selection import select
    from mnist_exp.tracking.recorder import Recorder
    from mnist_exp.tracking.records import RunRecord
    from mnist_exp.tracking.sync.recovery import recover

__all__ = [
    "Index",
    "Point",
    "Recorder",
    "RunRecord",
    "Store",
    "preflight",
    "recover",
    "resolve",
    "select",
]
_HOMES = {
    "Index": "index",
    "Point": "mlflow.store",
    "Recorder": "recorder",
    "RunRecord": "records",
    "Store": "mlflow.store",
    "preflight": "mlflow.location",
    "recover": "sync.recovery",
    "resolve": "mlflow.location",
    "select": "read.selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
