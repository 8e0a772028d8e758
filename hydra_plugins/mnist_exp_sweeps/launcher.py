"""The launcher that runs one job after the other in a process of its own, as Hydra wants it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from mnist_exp.sweeps.execute.sequential import Worker


class SequentialLauncher(Launcher):
    """One worker process for all jobs; when a job takes it down, the next job gets another."""

    def __init__(self) -> None:
        """Has no worker yet."""
        self.worker: Worker | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keeps what each job needs."""
        self.config = config
        self.hydra_context = hydra_context
        self.task_function = task_function

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs the jobs in their order."""
        from mnist_exp.sweeps.execute.sequential import Worker

        self.worker = self.worker or Worker()
        first: Any = initial_job_idx
        return [
            self.worker.run(self, overrides, number)
            for number, overrides in enumerate(job_overrides, start=first)
        ]

    def close(self) -> None:
        """Ends the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None
