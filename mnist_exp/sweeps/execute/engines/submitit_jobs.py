"""Jobs of Slurm by submitit, or of its executor for one machine."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import fields
from typing import Any

from mnist_exp.core.errors import ExperimentError
from mnist_exp.sweeps.execute import slurm, worker
from mnist_exp.sweeps.execute.engines import Engine
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task

_INIT = {"max_num_timeout"}  # what an executor is told when it is made
_OWN = {"_target_", "submitit_folder"}  # what is no parameter of a job
_POLL_SECONDS = 0.5
_SQUEUE_SECONDS = 3.0  # between two questions to the controller, which serves all users
_ARRAY = 256  # jobs; Slurm takes 1000 unless it is told otherwise
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED"}
_LOCAL_ENDED = {"FINISHED", "INTERRUPTED"}


class BatchJob(Future[JobResult | None]):
    """What becomes of a batch job."""

    def __init__(self, task: Task) -> None:
        """Has not been submitted.

        Args:
            task: of the job.
        """
        super().__init__()
        self.task = task
        self.job: Any = None  # submitit's
        self.unwanted = False

    def tell_withdrawn(self) -> None:
        """Tells that it was taken out of the queue."""
        self.cancel()
        self.set_running_or_notify_cancel()

    def tell(self, state: str | None) -> None:
        """Tells the result of a job that has ended, or that there is none.

        Args:
            state: that Slurm gives it.
        """
        try:
            if self.job.paths.result_pickle.exists():
                self.set_result(self.job.results()[0])
            else:
                log = self.job.paths.stderr
                words = f"the batch job {self.job.job_id} ended ({state or 'unknown'}); {log}"
                self.set_exception(ExperimentError(words))
        except Exception as problem:  # noqa: BLE001 - submitit's own, and whatever the job raised
            self.set_exception(problem)


class SubmititJobs(Engine):
    """A batch job for each job of the sweep; those that are submitted together are one array."""

    name = "submitit"

    def __init__(self, launcher: Mapping[str, Any]) -> None:
        """Submits nothing yet.

        Args:
            launcher: the config of hydra-submitit-launcher.
        """
        self._launcher = launcher
        self._cluster = "local" if "LocalLauncher" in launcher["_target_"] else "slurm"
        self._slots = int(launcher.get("array_parallelism") or 1)
        self.threads = int(launcher.get("cpus_per_task") or 1)
        self._executor: Any = None
        self._submitting = threading.Lock()
        self._new: list[BatchJob] = []
        self._jobs: list[BatchJob] = []  # only the watching thread changes it
        self._asked = float("-inf")

    def submit(self, task: Task) -> BatchJob:
        """Submits a batch job in a moment; see `Engine`."""
        batch_job = BatchJob(task)
        with self._submitting:
            if self._executor is None:
                self._executor = self._made()
                threading.Thread(target=self._watch, name="submitit", daemon=True).start()
            self._new.append(batch_job)
        return batch_job

    def withdraw(self) -> None:
        """Has what waits taken out of the queue; only Slurm knows what that is."""
        with self._submitting:
            for one in (*self._new, *self._jobs):
                one.unwanted = True

    def cancel(self) -> None:
        """Cancels the batch jobs, and waits until they have ended."""
        with self._submitting:
            self._new.clear()
            jobs = [one.job for one in self._jobs]
            if self._cluster == "local":
                for job in jobs:
                    job.cancel()
            elif jobs:
                slurm.cancel(job.job_id for job in jobs)
        while self._jobs:
            time.sleep(_POLL_SECONDS)

    def _made(self) -> Any:
        import submitit
        from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

        common = {field.name for field in fields(BaseQueueConf)}  # to all of submitit's executors
        options = {name: value for name, value in self._launcher.items() if name not in _OWN}
        special = {f"{self._cluster}_{name}": options.pop(name) for name in _INIT & options.keys()}
        folder = self._launcher["submitit_folder"]
        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster, **special)
        executor.update_parameters(
            **{n if n in common else f"{self._cluster}_{n}": v for n, v in options.items()}
        )
        return executor

    def _watch(self) -> None:
        while True:
            time.sleep(_POLL_SECONDS)  # what is submitted meanwhile is one array
            self._submit()
            unwanted = [one for one in self._jobs if one.unwanted and not one.running()]
            pause = _SQUEUE_SECONDS if self._cluster == "slurm" else 0
            if self._jobs and (unwanted or time.monotonic() - self._asked >= pause):
                if unwanted and self._cluster == "slurm":
                    slurm.cancel((one.job.job_id for one in unwanted), "--state=PENDING")
                states = self._states()
                self._asked = time.monotonic()
                if states is not None:
                    self._look(states)

    def _submit(self) -> None:
        """Submits what is new, in one array."""
        with self._submitting:
            new, self._new = self._new[:_ARRAY], self._new[_ARRAY:]
            if not new:
                return
            try:
                with self._executor.batch():
                    for one in new:
                        one.job = self._executor.submit(worker.Resubmitted(), one.task)
            except Exception as problem:  # noqa: BLE001 - what sbatch says
                for one in new:
                    one.set_running_or_notify_cancel()
                    one.set_exception(problem)
                return
            self._jobs += new

    def _states(self) -> Mapping[str, str] | None:
        """Returns batch job -> its state; None where Slurm does not answer."""
        if self._cluster == "slurm":
            return slurm.states()
        local = {one.job.job_id: one.job.state for one in self._jobs}
        return {name: state for name, state in local.items() if state not in _LOCAL_ENDED}

    def _look(self, states: Mapping[str, str]) -> None:
        """Tells what became of the jobs."""
        for one in list(self._jobs):
            state = states.get(one.job.job_id)
            ended = slurm.has_ended(state)
            if ended:
                self._jobs.remove(one)
            if state == "CANCELLED" and one.unwanted and not one.running():
                one.tell_withdrawn()
                continue
            if not one.running() and (ended or state in _RUNNING):
                one.set_running_or_notify_cancel()
            if ended:
                one.tell(state)
