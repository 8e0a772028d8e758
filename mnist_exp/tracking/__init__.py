"""The record of runs: a journal in the job folder, MLflow as the truth, a local index to read.

Importing this package imports nothing else; each name loads its module when it is first used, and
MLflow is loaded when it is first called.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_exp.tracking.index import Index
    from mnist_exp.tracking.location import preflight, resolve
    from mnist_exp.tracking.recorder import Recorder
    from mnist_exp.tracking.records import RunRecord
    from mnist_exp.tracking.recovery import recover
    from mnist_exp.tracking.selection import select
    from mnist_exp.tracking.store import Point, Store

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
    "Point": "store",
    "Recorder": "recorder",
    "RunRecord": "records",
    "Store": "store",
    "preflight": "location",
    "recover": "recovery",
    "resolve": "location",
    "select": "selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
