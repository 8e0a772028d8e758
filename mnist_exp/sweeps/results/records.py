"""A job's result, from its journal or from MLflow's run: the same either way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.config.record import flatten
from mnist_exp.config.schema import Config
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Assignment
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.events import STATUS_OF_OUTCOME, Outcome, now
from mnist_exp.tracking.journal.state import fold
from mnist_exp.tracking.names import FAILURE_TAG, KEY_TAG, OVERRIDES_TAG, TRIAL_TAG
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.replay import run_id_of

JOB_PARAM = "sweep.job"


def from_journal(job_dir: Path) -> JobResult | None:
    """Returns the result of a job that has ended; None where it has not begun, or not ended."""
    state = fold(entry.event for entry in journal.read(job_dir))
    if state is None or state.outcome is None:
        return None
    metric = Objective.of(state.start.params).metric
    return _result(
        params=state.start.params,
        tags=state.tags,
        outcome=state.outcome,
        run_id=run_id_of(job_dir),
        run_name=state.start.run_name,
        metrics=state.metrics,
        epochs={
            epoch: values[metric] for epoch, values in state.epochs.items() if metric in values
        },
        start_time=state.start.time,
        end_time=state.time,
    )


def tags_of(job_dir: Path) -> Mapping[str, str]:
    """Returns the tags that the run of a job folder began with; none where there is no run."""
    state = fold(entry.event for entry in journal.read(job_dir))
    return {} if state is None else state.start.tags


def from_record(run: RunRecord, epochs: Mapping[int, float]) -> JobResult:
    """Returns the result of a job that MLflow knows.

    Args:
        run: a child run of a sweep, which has ended.
        epochs: epoch -> objective, where it is wanted.
    """
    return _result(
        params=run.params,
        tags=run.tags,
        outcome=run.outcome if run.outcome in STATUS_OF_OUTCOME else "killed",
        run_id=run.run_id,
        run_name=run.name,
        metrics=run.metrics,
        epochs=epochs,
        start_time=run.start_time,
        end_time=run.end_time or run.start_time,
    )


def unrecorded(
    config: Config,
    assignment: Assignment,
    reason: str,
    outcome: Outcome = "failed",
    *,
    number: int | None = None,
) -> JobResult:
    """Returns the result of a job of which there is no record that can be read.

    Args:
        config: of the job, or of its sweep.
        assignment: of the job.
        reason: of its end, in a line.
        outcome: of the job.
        number: of the job, where the config does not have it.
    """
    own = {} if number is None else {JOB_PARAM: str(number)}
    return _result(
        params=flatten(config) | own,
        tags=assignment.tags(config.sweep.name or "") | {FAILURE_TAG: reason},
        outcome=outcome,
        run_id=None,
        run_name="",
        metrics={},
        epochs={},
        start_time=now(),
        end_time=now(),
    )


def _result(
    *, params: Mapping[str, str], tags: Mapping[str, str], outcome: Outcome, **values: Any
) -> JobResult:
    trial = json.loads(tags[TRIAL_TAG])["number"] if TRIAL_TAG in tags else None
    reason = tags.get(FAILURE_TAG, "")
    if outcome == "killed" and not reason:
        reason = "its process was stopped or killed (kill -9, a crash or too little memory)"
    return JobResult(
        number=int(params[JOB_PARAM]),
        key=tags[KEY_TAG],
        overrides=tuple(json.loads(tags[OVERRIDES_TAG])),
        params=dict(params),
        outcome=outcome,
        reason=reason if outcome in {"failed", "killed"} else "",
        trial=trial,
        **values,
    )
