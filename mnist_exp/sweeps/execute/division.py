"""The jobs of a sweep, divided among the commands that are at it: each is run by one of them.

A job is taken before it runs, and let go of when its result is in the store, where the others find
it. What a command left behind that was stopped or died is taken by another.
"""

import time
from collections.abc import Callable
from pathlib import Path

from mnist_exp.core.terminal import say
from mnist_exp.sweeps.execute.claims import Claims
from mnist_exp.sweeps.execute.jobs import Jobs, Results
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking.journal import pending_runs

_LOOK_SECONDS = 1.0  # between two looks at what the others do


class Division:
    """This command's share of the jobs."""

    def __init__(
        self,
        claims: Claims,
        ledger: Ledger,
        pending: PendingJobs,
        jobs: Jobs,
        *,
        results: Results,
        learned: Callable[[JobResult], None],
    ) -> None:
        """Takes nothing yet.

        Args:
            claims: of the commands.
            ledger: which has been read.
            pending: which jobs need to run.
            jobs: to divide.
            results: of all jobs that have ended.
            learned: told of each result that stands, once; whoever brought it.
        """
        self.elsewhere: set[int] = set()  # jobs that other commands are at
        self._claims = claims
        self._ledger = ledger
        self._pending = pending
        self._jobs = jobs
        self._results = results
        self._learned = learned
        self._own: dict[int, PlannedJob] = {}  # taken by this command
        self._unsent: set[int] = set()  # of those, which have ended and are not in the store
        self._looked = 0.0
        self._is_idle = False  # since no job could be taken when one was asked for
        self._told = False  # that nothing can be taken

    def next(self) -> PlannedJob | JobResult | None:
        """Takes a job, and returns it, or the result of one that cannot run.

        Returns:
            None where there is none until another has ended.
        """
        self.look()
        passed: set[int] = set()
        while (job := self._jobs.next(self._results, self._busy | passed)) is not None:
            if isinstance(job, JobResult):
                return job
            planned = self._take(job)
            if planned is not None:
                self._is_idle = False
                return planned
            passed.add(job.number)
        self._is_idle = True
        return None

    def is_over(self) -> bool:
        """Tells whether every job has ended, here or elsewhere."""
        return self._jobs.next(self._results, ()) is None

    def end(self, result: JobResult) -> None:
        """Takes note of a result, and lets go of the job once the store has it."""
        self._learned(result)
        if result.number in self._own:
            self._unsent.add(result.number)
            self._let_go()

    def look(self) -> None:
        """Takes note of what the other commands have begun and ended since the last look."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._let_go()
        others = self._claims.others()
        held = {int(what) for other in others for what in other.holds if what.isdecimal()}
        self._looked = time.monotonic()
        # The run of a job that another has taken is in the store some time later.
        if self.elsewhere != held or (held and self._is_idle):
            if not self._ledger.refresh():
                return
            for number, result in self._jobs.found().items():
                if number not in self._results and number not in held | self._own.keys():
                    self._learned(result)
        self.elsewhere = held

    @property
    def _busy(self) -> set[int]:
        return self.elsewhere | self._own.keys()

    def _take(self, job: PlannedJob) -> PlannedJob | None:
        """Takes a job; returns it as it is to run, or None where another has it or had it."""
        if not self._claims.take(str(job.number)):
            self._say_why()
            return None
        if not self._ledger.refresh(job.draft.key) and self._claims.others():
            self._claims.release(str(job.number))  # another may have run it
            return None
        result = self._jobs.made(job)
        if result is not None or self._pending.is_at_work(job.draft.key):
            self._claims.release(str(job.number))
            if result is not None:
                self._learned(result)
            return None
        planned = self._pending.placed(job)
        self._own[job.number] = planned
        self._jobs.begin(planned)
        return planned

    def _let_go(self) -> None:
        for number in list(self._unsent):
            if not pending_runs.is_pending(Path.cwd(), self._own[number].folder):
                self._unsent.remove(number)
                del self._own[number]
                self._claims.release(str(number))

    def _say_why(self) -> None:
        if not self._claims.answers and not self._told:
            self._told = True
            say(
                "The store does not answer, and another command is at this sweep: no job begins "
                "until it is known which are left.",
                error=True,
            )
