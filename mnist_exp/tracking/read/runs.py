"""The runs of the store that a folder uses: made whole, and found by what a user types."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.tracking.mlflow import connection
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.mlflow.store import Store, answering, unreachable
from mnist_exp.tracking.names import ENSEMBLE_TAG, JOB_ID_TAG, SWEEP_TAG
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.read.selection import SELECTORS, select
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.recovery import recover

DEFAULT_EXPERIMENT = "mnist"
_ANSWER_SECONDS = 2  # a server that lives answers in a few milliseconds
_COMPLETION_SECONDS = 2  # that a person waits at the tab key


@dataclass(frozen=True)
class Found:
    """A run, and the experiment that it belongs to."""

    record: RunRecord
    experiment: Experiment

    @property
    def store(self) -> Store:
        """The store that keeps it."""
        return self.experiment.store

    @property
    def ensemble_name(self) -> str:
        """The name of the ensemble that it is a member of; RUN where that is gone."""
        with answering(self.experiment.uri):
            found = self.experiment.tagged(JOB_ID_TAG, self.record.tags[ENSEMBLE_TAG])
        return found[0].name if found else "RUN"


def current_experiment() -> Experiment:
    """Returns the experiment that plain `mnist-exp train` records in."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    return Experiment(resolve(None), name)


@contextmanager
def reading() -> Iterator[Experiment]:
    """Puts right what a crash or an outage left behind, then lets the block read the runs.

    Yields:
        The experiment that plain `mnist-exp train` records in.

    Raises:
        RequestError: the local store cannot be used, or the store does not answer.
    """
    experiment = current_experiment()
    preflight(experiment.uri)
    if connection.hangs(experiment.uri, _ANSWER_SECONDS):
        raise unreachable(experiment.uri, TimeoutError(f"no answer for {_ANSWER_SECONDS} s"))
    recover(Path.cwd())
    with answering(experiment.uri):
        yield experiment


def find(selector: str) -> Found:
    """Returns the run that a selector names.

    Args:
        selector: a run id or its unique start, a run name, latest, best or @champion.

    Raises:
        RequestError: no run is meant, or more than one, or the store does not answer.
    """
    with reading() as experiment:
        return Found(select(selector, experiment), experiment)


def run_names(*, finished: bool = True) -> list[str]:
    """Returns what a RUN argument can be; without names where the store does not answer soon.

    Args:
        finished: whether runs that finished are among them; else only what `resume` takes.
    """
    connection.wait_seconds(_COMPLETION_SECONDS)
    experiment = current_experiment()
    names: list[str] = []
    with Attempt():
        names = experiment.names(finished=finished)
    return [*(SELECTORS if finished else ("latest",)), *names]


def sweep_names() -> list[str]:
    """Returns what names a sweep; nothing where the store does not answer soon."""
    connection.wait_seconds(_COMPLETION_SECONDS)
    with Attempt():
        return current_experiment().sweeps()
    return []


def runs_of_sweep(sweep: str, experiment: Experiment) -> list[RunRecord]:
    """Returns the runs of a sweep's jobs, newest first.

    Raises:
        RequestError: there is no such sweep.
    """
    found = [run for run in experiment.tagged(SWEEP_TAG, sweep) if not run.is_sweep]
    if not found:
        names = experiment.sweeps()
        if sweep in names:
            raise RequestError(
                f"Expected a sweep with runs. Received: {sweep}, none of whose jobs has begun. "
                "Give its `mnist-exp train -m` command again."
            )
        known = f" Sweeps: {', '.join(names)}." if names else " There is none."
        raise RequestError(
            f"Expected the name of a sweep. Received: {sweep}.{nearest(sweep, names)}{known}"
        )
    return found


def require_finished(run: RunRecord) -> None:
    """Refuses a run that has no result: others made it, or it was cut off.

    Raises:
        RequestError: it says what became of the run, and how to finish it.
    """
    name = run.name
    if run.job_id is None:
        raise RequestError(
            f"Expected a run that mnist-exp made. Received: {name}, which lacks its tags. "
            "`mnist-exp runs` lists the runs."
        )
    if run.outcome != "finished":
        outcome = run.outcome or run.status.lower()
        remedies = {"pruned": "", "running": " Wait for its end."}
        remedy = remedies.get(outcome, f" Finish it with `mnist-exp resume {name}`.")
        raise RequestError(f"Expected a run that finished. Received: {name}: {outcome}.{remedy}")
