"""The sweeper of mnist_exp, as Hydra wants it."""

from collections.abc import Sequence
from typing import Any

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
        """Keeps the sweep, which has read `hydra.launcher` and runs the jobs itself."""
        self.config = config
        self.hydra_context = hydra_context
        self.task_function = task_function

    def sweep(self, arguments: Sequence[str]) -> None:
        """Runs it; the overrides are in the plan already."""
        del arguments
        sweep: Any = self.task_function
        if not hasattr(sweep, "plan"):
            raise RuntimeError("Expected a sweep that `mnist-exp train -m` planned.")
        sweep()
