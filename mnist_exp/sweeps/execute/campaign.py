"""A search as jobs, one after the other: each trial is chosen when a slot is free for it."""

import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from mnist_exp.config.validate import ConfigError
from mnist_exp.core.errors import reason_of
from mnist_exp.sweeps.plan import Draft, Plan, PlannedJob
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult, objective
from mnist_exp.sweeps.search.pruning import Peers
from mnist_exp.sweeps.search.storage import Published
from mnist_exp.sweeps.search.strategies import Proposal, Trial, explorer
from mnist_exp.sweeps.task import Assignment
from mnist_exp.tracking.names import TRIAL_TAG
from mnist_exp.tracking.records import RunRecord


class Campaign:
    """A search, rebuilt from the runs that MLflow has of it."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        *,
        number: Callable[[int, Draft], PlannedJob],
        good: Callable[[str], RunRecord | None],
    ) -> None:
        """Takes over the trials of former commands.

        Args:
            plan: of the sweep.
            ledger: which has been read.
            number: makes a job of a draft.
            good: key of a job -> its run, if it need not run again.
        """
        assert plan.space is not None
        assert plan.config.search is not None
        self._plan = plan
        self._settings: Any = plan.config.search
        self._number = number
        self._seeds = max(1, len(plan.space.seeds))
        epochs = plan.config.training.epochs
        self._explorer = explorer(self._settings, plan.space, epochs=epochs)
        self._params: dict[int, Mapping[str, Any]] = {}
        self._begun: set[int] = set()  # trials whose jobs were handed over, or wait here
        self._waiting: deque[PlannedJob] = deque()
        self._published: Published | None = None
        self.results: dict[int, JobResult] = {}
        for run in ledger.latest():
            if TRIAL_TAG in run.tags:
                trial = json.loads(run.tags[TRIAL_TAG])
                self._params[trial["number"]] = trial["params"]
                if good(records.key_of(run)) is not None:
                    result = ledger.result(run, epochs=self._prunes)
                    self.results[result.number] = result

    @property
    def _prunes(self) -> bool:
        return getattr(self._settings, "pruner", "none") != "none"

    @property
    def total(self) -> int:
        """How many jobs the search has, as far as is known."""
        return self._explorer.total * self._seeds

    def publish(self, url: str, results: Mapping[int, JobResult]) -> None:
        """Has trials written to a database of Optuna's, too: those that have ended, and will.

        Args:
            url: of the database.
            results: of all jobs that have ended.
        """
        assert self._plan.space is not None
        self._published = Published(url, self._plan.name, self._plan.space)
        self.tell(results)

    def tell(self, results: Mapping[int, JobResult]) -> None:
        """Takes note of jobs that have ended."""
        if self._published is not None:
            self._published.tell(self._trials(results))

    def is_over(self, results: dict[int, JobResult]) -> bool:
        """Tells whether no job is left, once all that were handed over have ended."""
        job = self.next(results)
        if job is not None:
            self._waiting.appendleft(job)
        return job is None

    def next(self, results: dict[int, JobResult]) -> PlannedJob | None:
        """Returns the job to run next; None where there is none until another has ended.

        Args:
            results: of all jobs that have ended; those of trials that cannot run are added.
        """
        while not self._waiting:
            trials = self._trials(results)
            open_ones = sum(t.outcome is None and t.number in self._begun for t in trials)
            proposals = self._explorer.next(trials, open_ones + 1)
            proposal = next((p for p in proposals if p.number not in self._begun), None)
            if proposal is None:
                return None
            self._begun.add(proposal.number)
            jobs = self._jobs(proposal, results)
            self._waiting.extend(job for job in jobs if job.number not in results)
        job = self._waiting.popleft()
        return replace(job, draft=replace(job.draft, assignment=self._assigned(job, results)))

    def _jobs(self, proposal: Proposal, results: dict[int, JobResult]) -> list[PlannedJob]:
        self._params[proposal.number] = proposal.params
        first = proposal.number * self._seeds
        try:
            drafts = self._plan.drafts(proposal.number, proposal.params, proposal.extra)
        except ConfigError as problem:
            for number in range(first, first + self._seeds):
                results[number] = self._refused(number, proposal, problem)
            return []
        return [self._number(first + place, draft) for place, draft in enumerate(drafts)]

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
        assert self._plan.space is not None
        own = (*self._plan.space.texts(proposal.params), *proposal.extra)
        sweep = self._plan.config.sweep.model_copy(update={"job": number})
        config = self._plan.config.model_copy(update={"sweep": sweep})
        assignment = Assignment("", own, trial=proposal.number, params=proposal.params)
        return records.unrecorded(config, assignment, reason_of(problem))

    def _trials(self, results: Mapping[int, JobResult]) -> list[Trial]:
        return [self._trial(number, results) for number in sorted(self._params)]

    def _trial(self, number: int, results: Mapping[int, JobResult]) -> Trial:
        first = number * self._seeds
        jobs = [results[n] for n in range(first, first + self._seeds) if n in results]
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
        value = fmean(map(objective, jobs))
        return Trial(number, params, None if math.isnan(value) else value, history, "finished")
