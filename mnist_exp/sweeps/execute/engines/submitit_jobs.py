"""Jobs of Slurm by submitit, or of its executor for one machine."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task

_INIT = {"max_num_timeout"}  # what an executor is told when it is made
_OWN = {"_target_", "submitit_folder"}  # what is no parameter of a job
_COMMON = {
    "timeout_min",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "mem_gb",
    "nodes",
    "name",
    "stderr_to_stdout",
}
_POLL_SECONDS = 0.5
_RUNNING = {"RUNNING", "COMPLETING"}


class SubmititJobs:
    """A batch job for each job of the sweep."""

    name = "submitit"
    children = False

    def __init__(self, launcher: Mapping[str, Any]) -> None:
        """Submits nothing yet.

        Args:
            launcher: the config of hydra-submitit-launcher.
        """
        self._launcher = launcher
        self._cluster = "local" if "LocalLauncher" in launcher["_target_"] else "slurm"
        self.slots = int(launcher.get("array_parallelism") or 1)
        self.threads: int | None = int(launcher.get("cpus_per_task") or 1)
        self._executor: Any = None
        self._jobs: dict[Future[JobResult | None], Any] = {}
        self._lock = threading.Lock()

    def submit(self, task: Task) -> Future[JobResult | None]:
        """Submits a batch job; see `Engine`."""
        if self._executor is None:
            self._executor = self._made()
            threading.Thread(target=self._watch, name="submitit", daemon=True).start()
        future: Future[JobResult | None] = Future()
        job = self._executor.submit(worker.Resubmitted(), task)
        with self._lock:
            self._jobs[future] = job
        return future

    def lost_machine(self, _: Exception) -> bool:
        """Returns False: Slurm itself gives the job another one."""
        return False

    def cancel(self) -> None:
        """Cancels the batch jobs, and waits until they have ended."""
        with self._lock:
            left = list(self._jobs.values())
        for job in left:
            job.cancel(check=False)
        for job in left:
            while not job.done():
                time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Has nothing to end: a batch job ends with its job."""

    def _made(self) -> Any:
        import submitit

        options = {name: value for name, value in self._launcher.items() if name not in _OWN}
        special = {f"{self._cluster}_{name}": options.pop(name) for name in _INIT & options.keys()}
        folder = self._launcher["submitit_folder"]
        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster, **special)
        executor.update_parameters(
            **{n if n in _COMMON else f"{self._cluster}_{n}": v for n, v in options.items()}
        )
        return executor

    def _watch(self) -> None:
        """Tells the futures what became of their jobs."""
        while True:
            with self._lock:
                jobs = list(self._jobs.items())
            for future, job in jobs:
                if self._has_ended(future, job):
                    with self._lock:
                        del self._jobs[future]
            time.sleep(_POLL_SECONDS)

    def _has_ended(self, future: Future[JobResult | None], job: Any) -> bool:
        if future.cancelled():
            job.cancel(check=False)
            return True
        if not job.done():
            if not future.running() and job.state in _RUNNING:
                future.set_running_or_notify_cancel()
            return False
        if not future.running() and not future.set_running_or_notify_cancel():
            return True
        try:
            future.set_result(job.results()[0])
        except Exception as problem:  # noqa: BLE001 - submitit's own, and whatever the job raised
            future.set_exception(problem)
        return True
