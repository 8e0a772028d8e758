"""The record of runs: a journal in the job folder, MLflow as the truth, a local index to read.

Importing this package imports nothing else; each name loads its module when it is first used, and
MLflow is loaded when it is first called.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_exp.tracking.index import Index
    from mnist_exp.tracking.journal import outcome_of, read, start_of
    from mnist_exp.tracking.location import preflight, resolve
    from mnist_exp.tracking.recorder import Recorder
    from mnist_exp.tracking.records import RunRecord
    from mnist_exp.tracking.recovery import Recovered, recover
    from mnist_exp.tracking.selection import select
    from mnist_exp.tracking.store import Point, Store

__all__ = [
    "Index",
    "Point",
    "Recorder",
    "Recovered",
    "RunRecord",
    "Store",
    "outcome_of",
    "preflight",
    "read",
    "recover",
    "resolve",
    "select",
    "start_of",
]
_HOMES = {
    "Index": "index",
    "Point": "store",
    "Recorder": "recorder",
    "Recovered": "recovery",
    "RunRecord": "records",
    "Store": "store",
    "outcome_of": "journal",
    "preflight": "location",
    "read": "journal",
    "recover": "recovery",
    "resolve": "location",
    "select": "selection",
    "start_of": "journal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
