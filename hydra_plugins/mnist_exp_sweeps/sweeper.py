"""The sweeper of mnist_exp, as Hydra wants it."""

from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PlannedSweeper(Sweeper):
    """Runs the sweep that `mnist-exp train -m` planned."""

    def __init__(self, params: Any = None) -> None:
        """Takes `hydra.sweeper.params`, which are in the plan already."""
        self.params = params

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Makes the launcher that the config names."""
        self.config = config
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> None:
        """Runs it; the overrides are in the plan already."""
        del arguments
        job: Any = self.task_function
        if getattr(job, "sweep", None) is None:
            raise RuntimeError("Expected a job that `mnist-exp train -m` planned.")
        job.sweep(self.launcher, job)
