"""`mnist-exp sync`: what an outage or a crash left behind goes to MLflow."""

import re
from pathlib import Path

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.terminal import say
from mnist_exp.core.text import counted
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.sync.recovery import lost, recover, send_again

RESULTS = {
    "sent": "sent",
    "incomplete": "sent without what is gone",
    "damaged": "sent as far as it is whole",
    "waiting": "waits: MLflow does not answer",
    "alive": "left alone: a process works on it",
    "broken": "cannot be read",
    "gone": "forgotten: its folder is gone",
    "unsure": "left alone: another process may work on it",
    "elsewhere": "left as it is: it went on in another folder",
}
# What says elsewhere where runs are kept.
_SETTINGS = re.compile(r"(MLFLOW_TRACKING_URI, or of train )?tracking\.uri(, or MLFLOW_\w+,)?")


def sync(to: str | None = None, *, again: bool = False) -> None:
    """Sends what is pending in this folder to MLflow, and prints what became of it.

    Args:
        to: the URI of another store for all of it, from now on; None leaves each run its own.
        again: whether to send runs too that a local store had and has lost.

    Raises:
        RequestError: that store cannot be used.
        ExperimentError: something could not be sent.
    """
    if to is not None:
        try:
            to = resolve(to)
            preflight(to)
        except RequestError as problem:
            raise RequestError(_SETTINGS.sub("--to", str(problem))) from problem
    with Attempt():  # a store that was copied or moved has runs to be read back
        preflight(resolve(None))
    if again:
        send_again(Path.cwd())
    pending = recover(Path.cwd(), to=to, tell=True)
    if not pending:
        say("Nothing is pending.")
    for run in pending:
        words = (run.problem, "" if run.damage in run.problem else run.damage)
        detail = f" ({'; '.join(filter(None, words))})" if any(words) else ""
        say(f"{run.job_id}  {RESULTS[run.result]}{detail}")
    gone = len(lost(Path.cwd()) if to is None else ())
    if gone:
        say(
            f"The store has lost {counted(gone, 'run')} of this folder: deleted there for good, or "
            "with the store. `mnist-exp sync --again` sends what the journals hold."
        )
    waits = sum(run.result == "waiting" for run in pending)
    damaged = sum(run.result == "broken" or bool(run.damage) for run in pending)
    expected = f"Expected to send {counted(len(pending), 'run')} to MLflow. Received:"
    if damaged:
        more = f", and {counted(waits, 'run')} that could not be sent yet" if waits else ""
        raise ExperimentError(
            f"{expected} {counted(damaged, 'run')} whose record is damaged, as said above{more}. "
            "Restore the file from a copy, or let a run that was cut off go on: `mnist-exp resume "
            "FOLDER`. A run whose folder is moved away is forgotten."
        )
    incomplete = sum(run.result == "incomplete" for run in pending)
    if incomplete:
        raise ExperimentError(
            f"{expected} {counted(incomplete, 'run')} without files that are gone or altered, as "
            "said above; MLflow has the rest, and will not get more. If this project is a copy, "
            "copy it once more; else train such a run again."
        )
    if waits:
        raise ExperimentError(
            f"{expected} {counted(waits, 'run')} that could not be sent; the journals keep "
            "everything. Try `mnist-exp sync` again later, or send to another store: "
            "`mnist-exp sync --to URI`."
        )
