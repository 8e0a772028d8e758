"""Which jobs of a plan are to run: numbered, without those that the ledger has as done."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_exp.config import sources
from mnist_exp.config.record import flatten
from mnist_exp.core import ids
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.text import counted
from mnist_exp.runs import environment, source_code
from mnist_exp.runs.console import duration
from mnist_exp.sweeps.execute import parent, preview
from mnist_exp.sweeps.plan import Draft, Plan, PlannedJob
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.search.space import Space
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

    def __init__(
        self, plan: Plan, ledger: Ledger, slots: int, outputs: Path, *, since: float
    ) -> None:
        """Numbers the jobs of a grid.

        Args:
            plan: of the sweep.
            ledger: which has been read.
            slots: how many jobs run at once.
            outputs: where the job folders lie.
            since: when the commands that are at the sweep began, unix milliseconds.

        Raises:
            RequestError: the sweep of this name explored another space.
        """
        self._plan = plan
        self._ledger = ledger
        self._slots = slots
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
        if rerun == "all" or (rerun == "stale" and self._is_stale(run)):
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

    def planned(self, number: int, draft: Draft) -> PlannedJob:
        """Returns a job with its number, and with the folder of its run if that was cut off."""
        folder, threads = self._folder(draft.key)
        training = draft.config.training
        if threads is not None:  # a run goes on with those that it began with
            training = training.model_copy(update={"threads": threads})
        config = draft.config.model_copy(update={"training": training})
        return PlannedJob(number, replace(draft, config=config), folder)

    def announce(self, done: Mapping[int, JobResult], total: int) -> str:
        """Returns what is going to happen, in a few lines.

        Args:
            done: results of the jobs that have ended.
            total: how many jobs the sweep has, as far as is known.
        """
        is_search = self._plan.space is not None
        lines = [self._search(len(done), total) if is_search else self._grid(done)]
        if self._plan.repeated:
            lines.append(f"{self._plan.repeated} more would repeat one of these; left out.")
        runs = [self._ledger.done(job.draft.key) for job in self.jobs]
        if self._plan.space is not None:
            runs = [run for run in self._ledger.latest() if run.outcome in DONE]
        stale = sum(self._is_stale(run) for run in runs)
        if stale and self._plan.config.sweep.rerun == "none":
            lines.append(
                f"{stale} of those done were run by other code; sweep.rerun=stale runs them again."
            )
        lines += [f"Warning: {warning}" for warning in self._plan.warnings]
        return "\n".join(lines)

    def preview(self, done: Mapping[int, JobResult]) -> str:
        """Returns the jobs of a grid and how each stands, a line for each.

        Args:
            done: results of the jobs that have ended.
        """
        return preview.text(
            [
                (job.number, job.draft.assignment.overrides, self._state(job, done.get(job.number)))
                for job in self.jobs
            ]
        )

    def _is_of_now(self, run: RunRecord) -> bool:
        return run.end_time is not None and run.end_time >= self._since

    def _state(self, job: PlannedJob, result: JobResult | None) -> str:
        """Returns whether a job is to run, in words."""
        run = self._ledger.run(job.draft.key)
        if result is not None:
            told = result.objective.told(result.value)
            measured = "" if math.isnan(result.value) else f", {told}"
            return f"done: {result.run_name}{measured}"
        if job.draft.key in self._ledger.at_work or (run is not None and not run.outcome):
            return "running"
        return "to do" if run is None else f"to do again, {run.outcome} before"

    def _is_stale(self, run: RunRecord | None) -> bool:
        """Whether a run was made by other code, or a part of it was made by another."""
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
            self.planned(known[draft.key] if draft.key in known else next(free), draft)
            for draft in drafts
        ]

    def _folder(self, key: str) -> tuple[str, int | None]:
        """Returns the folder of a job, and the threads of the run that goes on in it, if one does.

        What other code began, or left no journal that can be read, is begun anew; but a run that
        never ended, and was never here, is that of a machine that is gone: it begins again as it.
        """
        run = self._ledger.newest(key)
        if run is None or run.job_id is None or run.outcome in DONE or self._is_stale(run):
            return ids.new(), None
        if run.outcome is None and not (self._outputs / run.job_id).exists():
            return run.job_id, None
        try:
            start = salvaged(self._outputs / run.job_id).start
            return run.job_id, int(start.config["training"]["threads"])
        except (RequestError, ExperimentError, KeyError, TypeError):
            return ids.new(), None

    def _grid(self, results: Mapping[int, JobResult]) -> str:
        left = [job for job in self.jobs if job.number not in results]
        done, waiting = len(results), len(left)
        what = counted(waiting, "job")
        if done:
            what = f"{done} of {len(self.jobs)} done, {waiting} to do"
        if not waiting:
            what = f"all {done} jobs are done" if done > 1 else "its one job is done"
        seconds = 0.0
        for job in left:
            like = self._ledger.seconds_of_like(flatten(environment.settled(job.draft.config)))
            if like is None:
                return f"Sweep {self._plan.name}: {what}"
            seconds += like
        return f"Sweep {self._plan.name}: {what}{self._about(seconds, waiting)}"

    def _search(self, done: int, total: int) -> str:
        search, space = self._plan.config.search, self._plan.space
        assert search is not None
        assert space is not None
        seeds = max(1, len(space.seeds))
        what = f"{search.name} search, {counted(total // seeds, 'trial')}"
        what += f" of {seeds} seeds" if seeds > 1 else ""
        if search.name == "halving":
            what = f"halving search, {self._rounds(search, space)}"
            what += f", each with {seeds} seeds" if seeds > 1 else ""
        what += f", {counted(done, 'run')} so far" if done else ""
        like = self._ledger.seconds_of_like(flatten(environment.settled(self._plan.config)))
        if like is None or search.name == "halving":
            return f"Sweep {self._plan.name}: {what}"
        left = max(0, total - done)
        return f"Sweep {self._plan.name}: {what}{self._about(like * left, left)}"

    def _rounds(self, search: Any, space: Space) -> str:
        """Returns the rounds of a halving search in words."""
        from mnist_exp.sweeps.search.halving import (
            Halving,  # it imports Optuna, which a grid need not
        )

        epochs = self._plan.config.training.epochs
        first, *others = Halving(search, space, epochs).rounds
        words = f"{counted(first[0], 'trial')} with {counted(first[1], 'epoch')}"
        for trials, length in others:
            words += f", then the best{f' {trials}' if trials > 1 else ''} with {length}"
        if not others:
            words += ", and no second round: for one, training.epochs has to be at least "
            words += f"{search.reduction * search.min_epochs}, and search.trials 2"
        return words

    def _about(self, seconds: float, jobs: int) -> str:
        """Returns how long jobs take that run some at once."""
        at_once = max(1, min(self._slots, jobs))
        return f", about {duration(seconds / at_once)}" if jobs else ""


def _place(params: Mapping[str, str], own: tuple[str, ...]) -> tuple[str | None, ...]:
    """Returns where a job has its data from, with what sets it apart."""
    return params.get("data.name"), params.get("data.root"), *own
