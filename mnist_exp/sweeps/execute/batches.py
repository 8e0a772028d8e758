"""The trials of a search as the jobs of a sweep, one batch after the other."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from mnist_exp.config.validate import ConfigError
from mnist_exp.core.errors import reason_of
from mnist_exp.sweeps.execute.launches import Fleet, PlannedJob
from mnist_exp.sweeps.membership import Assignment
from mnist_exp.sweeps.plan import Draft, Plan
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult, objective
from mnist_exp.sweeps.search.pruning import Peers
from mnist_exp.sweeps.search.strategies import Proposal, Trial, explorer
from mnist_exp.tracking.names import TRIAL_TAG
from mnist_exp.tracking.records import RunRecord

_MOST_AT_ONCE = 8  # trials that know nothing of each other, where trials learn from others


class Campaign:
    """A search, rebuilt from the runs that MLflow has of it."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        fleet: Fleet,
        *,
        number: Callable[[int, Draft], PlannedJob],
        good: Callable[[str], RunRecord | None],
    ) -> None:
        """Takes over the trials of former commands.

        Args:
            plan: of the sweep.
            ledger: which has been read.
            fleet: how many jobs run at once.
            number: makes a job of a draft.
            good: key of a job -> its run, if it need not run again.
        """
        assert plan.space is not None
        assert plan.config.search is not None
        self._plan = plan
        self._settings: Any = plan.config.search
        self._number = number
        self._seeds = max(1, len(plan.space.seeds))
        learns = self._settings.name == "tpe" or self._prunes
        slots = min(fleet.slots, _MOST_AT_ONCE) if learns else fleet.slots
        self._room = max(1, slots // self._seeds)
        epochs = plan.config.training.epochs
        self._explorer = explorer(self._settings, plan.space, epochs=epochs)
        self._params: dict[int, Mapping[str, Any]] = {}
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

    def next(self, results: dict[int, JobResult]) -> list[PlannedJob]:
        """Returns the jobs to run next; none when the search is over.

        Args:
            results: of all jobs that have ended; those of trials that cannot run are added.
        """
        while proposals := self._explorer.next(self._trials(results), self._room):
            trials = self._trials(results)
            jobs = [job for p in proposals for job in self._jobs(p, trials, results)]
            waiting = [job for job in jobs if job.number not in results]
            if waiting:
                return waiting
        return []

    def _jobs(
        self, proposal: Proposal, trials: list[Trial], results: dict[int, JobResult]
    ) -> list[PlannedJob]:
        self._params[proposal.number] = proposal.params
        first = proposal.number * self._seeds
        try:
            drafts = self._plan.drafts(proposal.number, proposal.params, proposal.extra)
        except ConfigError as problem:
            for number in range(first, first + self._seeds):
                results[number] = self._refused(number, proposal, problem)
            return []
        jobs = [self._number(first + place, draft) for place, draft in enumerate(drafts)]
        return [replace(job, assignment=self._assigned(job, trials)) for job in jobs]

    def _assigned(self, job: PlannedJob, trials: list[Trial]) -> Assignment:
        if not self._prunes or job.assignment.trial is None:
            return job.assignment
        peers = Peers(
            pruner=self._settings.pruner,
            trials=tuple(trial for trial in trials if trial.outcome is not None),
            number=job.assignment.trial,
            epochs=job.config.training.epochs,
            warmup_epochs=self._settings.warmup_epochs,
        )
        return replace(job.assignment, peers=peers)

    def _refused(self, number: int, proposal: Proposal, problem: ConfigError) -> JobResult:
        """Returns the result of a job whose config the schema does not take."""
        assert self._plan.space is not None
        own = (*self._plan.space.texts(proposal.params), *proposal.extra)
        sweep = self._plan.config.sweep.model_copy(update={"job": number})
        config = self._plan.config.model_copy(update={"sweep": sweep})
        assignment = Assignment("", own, proposal.number, proposal.params)
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
