"""Which jobs of a plan are to run: numbered, without those that the ledger has as done."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mnist_exp.config import sources
from mnist_exp.config.record import flatten
from mnist_exp.core import ids
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.runs import environment, source_code
from mnist_exp.sweeps.execute import parent
from mnist_exp.sweeps.plan import Draft, Plan, PlannedJob
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.names import (
    CODE_TAG,
    DATA_TAG,
    DONE,
    OTHER_CODE,
    OTHER_COMPONENTS,
    OVERRIDES_TAG,
    RESUMED_TAG,
)
from mnist_exp.tracking.records import RunRecord


class PendingJobs:
    """A plan, beside what is done of it."""

    def __init__(self, plan: Plan, ledger: Ledger, outputs: Path, *, since: float) -> None:
        """Numbers the jobs of a grid.

        Args:
            plan: of the sweep.
            ledger: which has been read.
            outputs: where the job folders lie.
            since: when the commands that are at the sweep began, unix milliseconds.

        Raises:
            RequestError: the sweep of this name explored another space.
        """
        self._plan = plan
        self._ledger = ledger
        self._outputs = outputs
        self._since = since
        self._code = source_code.code().sha256
        self._components = {source.name: source.sha256 for source in sources.loaded()}
        self._check_space()
        self._check_data()
        self.jobs = self._numbered(plan.grid)  # of a grid; a search has them as it goes

    def counting(self, key: str) -> RunRecord | None:
        """Returns the run that counts for a job; None where it is to run.

        That is one that is done, and one that the commands now at the sweep made: of these also
        one that failed, which another command is to try again.
        """
        run, rerun = self._ledger.done(key), self._plan.config.sweep.rerun
        if run is not None and self._is_of_now(run):
            return run
        if rerun == "all" or (rerun == "stale" and self.is_stale(run)):
            run = None
        newest = self._ledger.newest(key)
        if run is None and newest is not None and newest.outcome == "failed":
            return newest if self._is_of_now(newest) else None
        return run

    def is_at_work(self, key: str) -> bool:
        """Tells whether a process is at a job, in this folder, that no command claims."""
        run = self._ledger.newest(key)
        if run is None or run.job_id is None or run.outcome is not None:
            return False
        job_dir = self._outputs / run.job_id
        if not (job_dir / journal.FILE_NAME).exists():
            return False
        lock = journal.hold(job_dir)
        if lock is not None:
            lock.release()
        return lock is None

    def placed(self, job: PlannedJob) -> PlannedJob:
        """Returns a job with the folder that it is to run in: that of its run if it was cut off."""
        folder, threads = self._folder(job.draft.key)
        config = job.draft.config
        if threads is not None:  # a run goes on with those that it began with
            training = config.training.model_copy(update={"threads": threads})
            config = config.model_copy(update={"training": training})
        return PlannedJob(job.number, replace(job.draft, config=config), folder)

    def _is_of_now(self, run: RunRecord) -> bool:
        return run.end_time is not None and run.end_time >= self._since

    def is_stale(self, run: RunRecord | None) -> bool:
        """Tells whether a run, or a part of it, was made by other code."""
        if run is None:
            return False
        parts = run.tags.get(RESUMED_TAG, "")
        mixed = OTHER_CODE in parts or OTHER_COMPONENTS in parts
        return mixed or run.tags.get(CODE_TAG) != self._code or self._has_other_components(run)

    def _has_other_components(self, run: RunRecord) -> bool:
        recorded = environment.recorded_components(run.tags)
        return any(self._components.get(name) != digest for name, digest in recorded.items())

    def _check_space(self) -> None:
        """Refuses a name that another space has."""
        run = self._ledger.parent
        if run is None:
            return
        lines = parent.difference(parent.space_of(run), self._plan.record)
        if lines:
            raise RequestError(
                f"Expected the space that sweep {self._plan.name} explored before. Received: "
                "another. Choose another sweep.name, or go back to it:",
                *(f"  {line}" for line in lines),
            )

    def _check_data(self) -> None:
        """Refuses data that have become others, in their place, since a job of the grid began."""
        planned = {_place(flatten(d.config), d.assignment.overrides): d for d in self._plan.grid}
        for run in self._ledger.latest():
            own = tuple(json.loads(run.tags[OVERRIDES_TAG]))
            draft = planned.get(_place(run.params, own))
            before = run.tags.get(DATA_TAG)
            if draft is not None and before and before != draft.assignment.data:
                raise RequestError(
                    f"Expected the data that sweep {self._plan.name} began with, SHA-256 {before}. "
                    f"Received: other data, {draft.assignment.data}. Put the first back, or choose "
                    "another sweep.name."
                )

    def _numbered(self, drafts: Sequence[Draft]) -> list[PlannedJob]:
        """Numbers a grid: what has a run keeps its number, the others take those that are free."""
        known = self._ledger.numbers()
        taken = set(known.values())
        free = (n for n in range(len(drafts) + len(taken)) if n not in taken)
        return [
            PlannedJob(known[draft.key] if draft.key in known else next(free), draft)
            for draft in drafts
        ]

    def _folder(self, key: str) -> tuple[str, int | None]:
        """Returns the folder of a job, and the threads of the run that goes on in it, if one does.

        What other code began, or left no journal that can be read, is begun anew; but a run that
        never ended, and was never here, is that of a machine that is gone: it begins again as it.
        """
        run = self._ledger.newest(key)
        if run is None or run.job_id is None or run.outcome in DONE or self.is_stale(run):
            return ids.new(), None
        if run.outcome is None and not (self._outputs / run.job_id).exists():
            return run.job_id, None
        try:
            start = salvaged(self._outputs / run.job_id).start
            return run.job_id, int(start.config["training"]["threads"])
        except (RequestError, ExperimentError, KeyError, TypeError):
            return ids.new(), None


def _place(params: Mapping[str, str], own: tuple[str, ...]) -> tuple[str | None, ...]:
    """Returns where a job has its data from, with what sets it apart."""
    return params.get("data.name"), params.get("data.root"), *own
