"""A search as jobs, one after the other: each trial is chosen when a slot is free for it."""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from mnist_exp.config.problems import ConfigError
from mnist_exp.sweeps.execute.jobs import Jobs, Results
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.plan import Plan, PlannedJob
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.search.pruning import Peers
from mnist_exp.sweeps.search.storage import Published
from mnist_exp.sweeps.search.strategies import EXPLORERS, Proposal, Trial
from mnist_exp.sweeps.task import Assignment
from mnist_exp.tracking.names import KEY_TAG, TRIAL_TAG


class SearchJobs(Jobs):
    """A search, rebuilt from the runs that MLflow has of it."""

    def __init__(self, plan: Plan, ledger: Ledger, pending: PendingJobs) -> None:
        """Knows of no trial yet.

        Args:
            plan: of the sweep.
            ledger: which has been read.
            pending: which jobs need to run.

        Raises:
            ConfigError: halving, which sets the epochs itself, is to explore them.
        """
        assert plan.space is not None
        assert plan.config.search is not None
        self._plan = plan
        self._space = plan.space
        self._settings: Any = plan.config.search
        self._ledger = ledger
        self._pending = pending
        self._seeds = max(1, len(plan.space.seeds))
        explorer = EXPLORERS[self._settings.name]
        self._explorer = explorer(self._settings, plan.space, plan.config.training.epochs)
        self._params: dict[int, Mapping[str, Any]] = {}
        self._jobs: dict[int, list[PlannedJob]] = {}  # of the trials that have been looked at
        self._read: dict[str, JobResult] = {}  # run id -> its result
        self._published: Published | None = None

    @property
    def _prunes(self) -> bool:
        return getattr(self._settings, "pruner", "none") != "none"

    @property
    def total(self) -> int:
        """How many jobs the search has, if none fails."""
        return self._explorer.total * self._seeds

    def publish(self, url: str, results: Mapping[int, JobResult]) -> None:
        """Has trials written to a database, those that have ended, and will; see `Jobs`."""
        self._published = Published(url, self._plan.name, self._space)
        self.tell(results)

    def tell(self, results: Mapping[int, JobResult]) -> None:
        """Takes note of jobs that have ended."""
        if self._published is not None:
            self._published.tell(self._trials(results))

    def found(self) -> Results:
        """Returns the results of the runs that the ledger has now, and learns of their trials."""
        results = {}
        for run in self._ledger.latest():
            if TRIAL_TAG not in run.tags:
                continue
            trial = json.loads(run.tags[TRIAL_TAG])
            self._params.setdefault(trial["number"], trial["params"])
            result = self._made(run.tags[KEY_TAG])
            if result is not None:
                results[result.number] = result
        return results

    def made(self, job: PlannedJob) -> JobResult | None:
        """Returns the result of a job by the run that the ledger has now; see `Jobs`."""
        return self._made(job.draft.key)

    def _made(self, key: str) -> JobResult | None:
        run = self._pending.counting(key)
        if run is None:
            return None
        if run.run_id not in self._read:
            self._read[run.run_id] = self._ledger.result(run, epochs=self._prunes)
        return self._read[run.run_id]

    def begin(self, job: PlannedJob) -> None:
        """Takes note of the trial that a job belongs to."""
        assignment = job.draft.assignment
        assert assignment.trial is not None
        assert assignment.params is not None
        self._params.setdefault(assignment.trial, assignment.params)

    def next(self, results: Results, busy: Collection[int]) -> PlannedJob | JobResult | None:
        """Returns the job to run next, or the result of one that the schema refuses; see `Jobs`."""
        jobs = (job for planned in self._jobs.values() for job in planned)
        at_work = {job.draft.key for job in jobs if job.number in busy}
        known = -1
        while known < len(self._params):  # a trial that is to wait makes room for another
            known = len(self._params)
            trials = self._trials(results)
            open_ones = sum(trial.outcome is None for trial in trials)
            for proposal in self._explorer.next(trials, open_ones + 1):
                numbers = self._numbers(proposal.number)
                is_new = proposal.number not in self._params
                if is_new and any(number in busy for number in numbers):
                    return None  # another command is at it, with what is not known yet
                left = (n for n in numbers if n not in results and n not in busy)
                job = self._first_of(left, proposal, results, at_work)
                if job is not None:
                    return job
        return None

    def _first_of(
        self, numbers: Iterable[int], proposal: Proposal, results: Results, at_work: Collection[str]
    ) -> PlannedJob | JobResult | None:
        """Returns the first job of a trial whose config no job at work has; None for none."""
        for number in numbers:
            job = self._job(number, proposal, results)
            if isinstance(job, JobResult) or job.draft.key not in at_work:
                return job
            self._params[proposal.number] = proposal.params
        return None

    def _numbers(self, trial: int) -> range:
        """Returns the numbers of the jobs of a trial."""
        return range(trial * self._seeds, (trial + 1) * self._seeds)

    def _job(self, number: int, proposal: Proposal, results: Results) -> PlannedJob | JobResult:
        """Returns a job, or the result that it has without a run.

        That is of a config that the schema refuses, and of one that another job has had: values of
        other names, such as two options of a group, may come to the same.
        """
        jobs = self._jobs.get(proposal.number)
        if jobs is None or jobs[0].draft.assignment.params != proposal.params:
            try:
                drafts = self._plan.drafts(proposal.number, proposal.params, proposal.extra)
            except ConfigError as problem:
                self._params[proposal.number] = proposal.params
                return self._refused(number, proposal, problem)
            numbers = self._numbers(proposal.number)
            jobs = [PlannedJob(*numbered) for numbered in zip(numbers, drafts, strict=True)]
            self._jobs[proposal.number] = jobs
        job = jobs[number - jobs[0].number]
        same = (r for n, r in results.items() if r.key == job.draft.key and n != number)
        if (result := next(same, None)) is not None:
            self._params[proposal.number] = proposal.params
            own = job.draft.assignment
            return replace(result, number=number, overrides=own.overrides, trial=own.trial)
        return replace(job, draft=replace(job.draft, assignment=self._assigned(job, results)))

    def _assigned(self, job: PlannedJob, results: Mapping[int, JobResult]) -> Assignment:
        assignment = job.draft.assignment
        if not self._prunes or assignment.trial is None:
            return assignment
        peers = Peers(
            pruner=self._settings.pruner,
            trials=tuple(trial for trial in self._trials(results) if trial.outcome is not None),
            number=assignment.trial,
            epochs=job.draft.config.training.epochs,
            warmup_epochs=self._settings.warmup_epochs,
        )
        return replace(assignment, peers=peers)

    def _refused(self, number: int, proposal: Proposal, problem: ConfigError) -> JobResult:
        """Returns the result of a job whose config the schema does not take."""
        own = (*self._space.texts(proposal.params), *proposal.extra)
        assignment = Assignment("", own, trial=proposal.number, params=proposal.params)
        reason = " ".join(map(str, problem.problems))
        return records.unrecorded(self._plan.config, assignment, reason, number=number)

    def _trials(self, results: Mapping[int, JobResult]) -> list[Trial]:
        return [self._trial(number, results) for number in sorted(self._params)]

    def _trial(self, number: int, results: Mapping[int, JobResult]) -> Trial:
        jobs = [results[n] for n in self._numbers(number) if n in results]
        params = dict(self._params[number])
        if len(jobs) < self._seeds:
            return Trial(number, params, None, {}, None)
        outcomes = {job.outcome for job in jobs}
        if outcomes & {"failed", "killed"}:
            return Trial(number, params, None, {}, "failed")
        epochs = set.intersection(*(set(job.epochs) for job in jobs))
        history = {epoch: fmean(job.epochs[epoch] for job in jobs) for epoch in sorted(epochs)}
        if "pruned" in outcomes:
            return Trial(number, params, None, history, "pruned")
        value = fmean(job.value for job in jobs)
        return Trial(number, params, None if math.isnan(value) else value, history, "finished")
