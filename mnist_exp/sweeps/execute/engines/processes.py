"""Jobs in processes of this machine, each of which imports TensorFlow once."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import cycle
from typing import TypeVar

from mnist_exp.core import cuda, processor, signals
from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.execute.engines import Engine
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task

_TERMINATION_SECONDS = 10.0

Argument = TypeVar("Argument")


class Processes(Engine):
    """A process for each slot; one that dies takes only its own job along.

    Where several run at once, each has a GPU, which some share where there are more of them; a
    single one has all.
    """

    name = "this machine"
    children = True

    def __init__(self, slots: int) -> None:
        """Starts nothing yet.

        Args:
            slots: how many jobs run at once, at least 1.
        """
        self._slots = slots
        self.threads = None if slots == 1 else max(1, processor.cores() // slots)
        gpus = cuda.visible() if slots > 1 else []
        turns: Iterator[str | None] = cycle(gpus or [None])
        self._workers = [_Worker(next(turns)) for _ in range(slots)]

    def submit(self, task: Task) -> Future[JobResult | None]:
        """Hands a job over to a process that is free; see `Engine`."""
        training = task.config.training
        fixed = training.threads or self.threads or processor.cores(), training.device
        free = [worker for worker in self._workers if worker.is_free]
        first = min(free, key=lambda worker: (worker.fixed != fixed, worker.has_started))
        return first.submit(task, fixed)

    def cancel(self) -> None:
        """Ends the processes, and lets the jobs that they are at end their records."""
        processes = multiprocessing.active_children()
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_TERMINATION_SECONDS)
            process.kill()
        self.close()

    def close(self) -> None:
        """Ends the processes, which have nothing to do."""
        for each in self._workers:
            each.close()


def apart(function: Callable[[Argument], object], arguments: Iterable[Argument]) -> None:
    """Calls a function of a module in a process of its own, which Ctrl-C ends.

    Args:
        function: may import TensorFlow, which this process then need not.
        arguments: of a call each.

    Raises:
        Exception: what a call raised; no other follows.
    """
    pool = _pool()
    try:
        with signals.handled(signal.SIGINT, signal.SIG_IGN):
            calls = [pool.submit(function, argument) for argument in arguments]
        for call in calls:
            call.result()
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """One process; when a job takes it down, the next gets another."""

    def __init__(self, gpu: str | None) -> None:
        # TensorFlow keeps the threads and the device that it started with.
        self.fixed: tuple[int, str] | None = None
        self._gpu = gpu
        self._executor: ProcessPoolExecutor | None = None
        self._job: Future[JobResult | None] | None = None

    @property
    def has_started(self) -> bool:
        return self._executor is not None

    @property
    def is_free(self) -> bool:
        return self._job is None or self._job.done()

    def submit(self, task: Task, fixed: tuple[int, str]) -> Future[JobResult | None]:
        if self.fixed != fixed:
            self.close()
        self.fixed = fixed
        try:
            return self._submitted(task)
        except BrokenProcessPool:  # its process died, at a job or without one
            self.close()
            return self._submitted(task)

    def _submitted(self, task: Task) -> Future[JobResult | None]:
        if self._executor is None:
            self._executor = _pool(self._gpu)
        # The process starts here, and leaves Ctrl-C to the sweep.
        with signals.handled(signal.SIGINT, signal.SIG_IGN):
            self._job = self._executor.submit(worker.work, task)
        return self._job

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


def _pool(gpu: str | None = None) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    begun = os.getpid(), gpu
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=worker.begin, initargs=begun)
