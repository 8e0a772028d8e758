"""The record of runs: a journal in the job folder, MLflow as the truth, a local index to read.

Importing this package imports no MLflow; what needs it loads it when it is called.
"""

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
