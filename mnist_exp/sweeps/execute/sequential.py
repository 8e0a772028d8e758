"""One job after the other in a worker process, which imports TensorFlow once."""

import multiprocessing
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.execute.launches import ctrl_c_ignored

_TERMINATION_SECONDS = 10.0


class Worker:
    """A process for jobs; when one takes it down, the next gets another."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._executor: ProcessPoolExecutor | None = None

    def run(self, launcher: Any, overrides: Sequence[str], number: int) -> JobReturn:
        """Runs a job to its end.

        Args:
            launcher: with what Hydra's `Launcher.setup` gives.
            overrides: the job's.
            number: Hydra's own number of the job.

        Returns:
            What `run_job` returns; FAILED, with the error, where the process died.
        """
        executor = self._executor or self._started()
        try:
            request = (
                launcher.hydra_context,
                launcher.config,
                launcher.task_function,
                list(overrides),
                number,
                Singleton.get_state(),
            )
            # Plain pickle takes neither OmegaConf's resolvers, which are functions in functions,
            # nor classes of plugins, which Hydra imports twice.
            future: Future[bytes] = executor.submit(run_one, cloudpickle.dumps(request))
            answer = future.result()
        except BrokenProcessPool as problem:
            executor.shutdown()
            self._executor = None
            failed = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
            failed.return_value = problem
            return failed
        except BaseException:
            self.kill()
            raise
        ended: JobReturn = pickle.loads(answer)  # noqa: S301 - from its own child
        return ended

    def _started(self) -> ProcessPoolExecutor:
        """Starts the process while Ctrl-C is ignored, which it inherits."""
        self._executor = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=worker.follow,
            initargs=(os.getpid(),),
        )
        with ctrl_c_ignored():
            self._executor.submit(os.getpid).result()
        return self._executor

    def close(self) -> None:
        """Ends the process, which has nothing to do."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def kill(self) -> None:
        """Ends the process at once, and lets the job that it is at end its record."""
        if self._executor is None:
            return
        processes = list((self._executor._processes or {}).values())  # noqa: SLF001
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_TERMINATION_SECONDS)
            process.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None


def run_one(request: bytes) -> bytes:
    """Does in the worker what Hydra's own launchers do."""
    setup_globals()
    hydra_context, config, task_function, overrides, number, singletons = pickle.loads(request)  # noqa: S301 - from its own parent
    Singleton.set_state(singletons)
    sweep_config = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(sweep_config):
        sweep_config.hydra.job.id = f"{sweep_config.hydra.job.name}_{number}"
        sweep_config.hydra.job.num = number
    answer = run_job(
        hydra_context=hydra_context,
        config=sweep_config,
        task_function=task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    content: bytes = cloudpickle.dumps(answer)
    return content
