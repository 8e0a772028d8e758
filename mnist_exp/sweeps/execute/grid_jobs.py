"""The jobs of a grid, in the order in which they run."""

from collections.abc import Callable, Collection
from dataclasses import replace

from mnist_exp.sweeps.execute.jobs import Jobs, Results
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult


class GridJobs(Jobs):
    """Jobs that are all known beforehand."""

    def __init__(
        self, pending: PendingJobs, ledger: Ledger, threads: Callable[[PlannedJob], int]
    ) -> None:
        """Orders the jobs.

        Args:
            pending: the jobs, and which of them need to run.
            ledger: which has been read.
            threads: of a job. Those of one number follow each other: another one needs a fresh
                process.
        """
        self._pending = pending
        self._ledger = ledger
        self._jobs = sorted(pending.jobs, key=threads)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self._jobs)

    def next(self, results: Results, busy: Collection[int]) -> PlannedJob | None:
        """Returns the first job that has not ended and is not under way; see `Jobs`."""
        left = (job for job in self._jobs if job.number not in results and job.number not in busy)
        return next(left, None)

    def made(self, job: PlannedJob) -> JobResult | None:
        """Returns the result of a job by the run that the ledger has now; see `Jobs`."""
        run = self._pending.counting(job.draft.key)
        if run is None:
            return None
        result = self._ledger.result(run, epochs=False)
        # Another command may have run it, of a grid of other words.
        return replace(result, number=job.number, overrides=job.draft.assignment.overrides)

    def found(self) -> Results:
        """Returns the results of the runs that the ledger has now."""
        results = {job.number: self.made(job) for job in self._jobs}
        return {number: result for number, result in results.items() if result is not None}
