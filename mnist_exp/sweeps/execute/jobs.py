"""What the jobs of a grid and those of a search have in common."""

from collections.abc import Collection, Mapping

from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results.result import JobResult

Results = dict[int, JobResult]  # by the jobs' numbers


class Jobs:
    """The jobs of a sweep, in the order in which they run."""

    @property
    def total(self) -> int:
        """How many there are, if none of a search fails."""
        raise NotImplementedError

    def next(self, results: Results, busy: Collection[int]) -> PlannedJob | JobResult | None:
        """Returns the job to run next, or the result of one that cannot run.

        Args:
            results: of all jobs that have ended.
            busy: numbers of the jobs that are under way.

        Returns:
            None where there is none until another has ended.
        """
        raise NotImplementedError

    def made(self, job: PlannedJob) -> JobResult | None:
        """Returns the result of a job whose run the ledger has now; None where it is to run."""
        raise NotImplementedError

    def found(self) -> Results:
        """Returns the results of the runs that the ledger has now, and takes note of the others."""
        raise NotImplementedError

    def begin(self, job: PlannedJob) -> None:
        """Takes note that this command runs a job."""

    def tell(self, results: Mapping[int, JobResult]) -> None:
        """Takes note of jobs that have ended."""

    def publish(self, url: str, results: Mapping[int, JobResult]) -> None:
        """Has the trials of a search written to a database of Optuna's, too.

        Args:
            url: of the database.
            results: of all jobs that have ended.
        """
