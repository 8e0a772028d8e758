"""The function that Hydra's launchers call for each job of a sweep."""

from collections.abc import Callable
from contextlib import chdir
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig

from mnist_exp.config.hydra import register_resolvers
from mnist_exp.runs.job import told

if TYPE_CHECKING:
    from mnist_exp.sweeps.membership import Membership
    from mnist_exp.sweeps.results.result import JobResult

# A launcher's worker process imports this module to find `SweepJob`, and composes afterwards.
register_resolvers()


class SweepJob:
    """Runs jobs in any process or machine; what they are told of their sweep travels with it."""

    def __init__(self, sweep: Callable[[Any, "SweepJob"], None]) -> None:
        """Knows of no launch yet.

        Args:
            sweep: runs all of it, given Hydra's launcher and this job; the sweeper calls it.
        """
        self.sweep: Callable[[Any, SweepJob], None] | None = sweep
        self.membership: Membership | None = None  # of the launch

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the sweep itself behind when the job goes to another process."""
        return {**self.__dict__, "sweep": None}

    def __call__(self, cfg: Any) -> "JobResult | None":
        """Runs or resumes the job that Hydra composed, in the folder that Hydra made.

        Returns:
            What came of it; None where the sweep was stopped before the job began.
        """
        from mnist_exp.sweeps.execute import worker

        assert self.membership is not None
        job = HydraConfig.get()
        with chdir(job.runtime.cwd):  # relative paths are the command's, with hydra.job.chdir too
            return worker.work(**told(cfg, job), membership=self.membership)
