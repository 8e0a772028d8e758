"""Where jobs run: in processes of this machine, on a Ray cluster, or on a Slurm cluster.

`hydra/launcher` chooses, and its options are those of Hydra's own launchers; but those take all
jobs at once, and answer when the last has ended. Here a job is given when a slot is free.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from mnist_exp.core import devices, processor
from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task


class Engine:
    """What runs jobs; it starts with the first."""

    name: str
    threads: int | None  # of a job that does not say; None: every core that it is given
    children = False  # whether the workers are children of this process
    _slots: int

    @property
    def slots(self) -> int:
        """How many jobs run at once, as far as is known now; at least 1."""
        return self._slots

    def submit(self, task: Task) -> Future[JobResult | None]:
        """Hands a job over; no more than `slots` are under way.

        Returns:
            Its result; None where it did not begin.
        """
        raise NotImplementedError

    def withdraw(self) -> None:
        """Takes out of a queue what has not begun: its futures are then cancelled."""

    def lost_machine(self, problem: Exception) -> bool:  # noqa: ARG002 - of those that can tell
        """Tells whether a job ended with its machine, which is no fault of its own."""
        return False

    def cancel(self) -> None:
        """Ends all that runs, and waits for the records of it to be ended."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the workers, which have nothing to do."""


def engine(launcher: Mapping[str, Any]) -> Engine:
    """Returns the engine that a launcher's config stands for.

    Args:
        launcher: `hydra.launcher`, in plain values.

    Raises:
        RequestError: there is none.
    """
    target = str(launcher.get("_target_", ""))
    if "Basic" in target or "joblib" in target:
        from mnist_exp.sweeps.execute.engines.processes import Processes

        jobs = int(launcher.get("n_jobs") or 1) if "joblib" in target else 1
        if jobs < 0:  # -1: a job for each GPU, else for each core
            jobs = max(1, (len(devices.usable()) or processor.cores()) + 1 + jobs)
        return Processes(jobs)
    if "RayLauncher" in target:
        from mnist_exp.sweeps.execute.engines.ray_cluster import RayCluster

        return RayCluster(launcher["ray"])
    if "submitit" in target:
        from mnist_exp.sweeps.execute.engines.submitit_jobs import SubmititJobs

        return SubmititJobs(launcher)
    raise RequestError(
        "Expected hydra/launcher to be sequential, parallel, ray, slurm, or made of one of these. "
        f"Received: {target or 'none'}. Choose one of them, or a sweeper that uses this launcher: "
        "hydra/sweeper=basic."
    )
