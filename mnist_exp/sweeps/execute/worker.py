"""One job of a sweep, in the process that an engine gives it.

Whatever happens to the job is in its journal and in the result; nothing of it stays for the next.
"""

import os
import signal
import sys
import threading
import time
from contextlib import chdir
from pathlib import Path
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import OmegaConf

from mnist_exp.config.hydra import hydra_errors, register_resolvers, version_base
from mnist_exp.config.hydra_internal import Callbacks
from mnist_exp.config.record import to_record
from mnist_exp.core import cuda, signals, tensorflow_memory, tensorflow_setup
from mnist_exp.core.errors import ExperimentError, Terminated, reason_of
from mnist_exp.runs import console, lifecycle
from mnist_exp.sweeps.execute import slurm
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task
from mnist_exp.tracking import journal

_WATCH_SECONDS = 0.5
_END_SECONDS = 10.0  # for the record of the job
_SIGTERM_EXIT = 143
_at_work = False


def work(task: Task) -> JobResult | None:
    """Runs or resumes a job, in the folder that Hydra makes for it; a stop ends the process.

    Returns:
        What came of it; None where the sweep was stopped before the job began.
    """
    try:
        return attempt(task)
    except (KeyboardInterrupt, Terminated):
        leave()


def leave() -> NoReturn:
    """Ends a worker whose job was stopped, and whose record is complete.

    It must not outlive its sweep, nor say a word of it.
    """
    sys.stderr.flush()
    os._exit(_SIGTERM_EXIT)


def attempt(task: Task) -> JobResult | None:
    """Runs or resumes a job; see `work`.

    Raises:
        KeyboardInterrupt: it was stopped.
        Terminated: the same, by SIGTERM.
    """
    permit = Path(task.permit)
    if permit.parent.is_dir() and not permit.exists():  # a far machine may not have the folder
        return None
    if task.process is not None and task.process != os.getppid():
        return None  # the sweep died while this worker started
    global _at_work  # noqa: PLW0603 - a signal handler has to know
    _at_work = True
    try:
        return _worked(task)
    finally:
        _at_work = False


def _worked(task: Task) -> JobResult:
    tensorflow_setup.ours = True
    register_resolvers()
    open_section = OmegaConf.structured(HydraConf, flags={"struct": False})
    values = {**to_record(task.config), "hydra": dict(task.hydra)}
    cfg: Any = OmegaConf.merge({"hydra": open_section}, values)
    begun = _Begun(task)
    try:
        with version_base(), hydra_errors():
            context = HydraContext(config_loader=None, callbacks=Callbacks(cfg))
            run_job(
                hydra_context=context,
                task_function=begun,
                config=cfg,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
    except Exception as problem:  # noqa: BLE001 - whatever it was, the other jobs go on
        begun.reason = reason_of(problem)
    finally:
        tensorflow_memory.forget()
    return begun.result or records.unrecorded(task.config, task.assignment, begun.reason)


class _Begun:
    """The function that Hydra calls in a job's folder."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.result: JobResult | None = None
        self.reason = ""

    def __call__(self, _: Any) -> None:
        """Runs the job as it was planned."""
        hydra = HydraConfig.get()
        job_dir = Path(hydra.runtime.output_dir)
        try:
            # Relative paths are the command's, with hydra.job.chdir too.
            with chdir(hydra.runtime.cwd), console.silent():
                _run(self._task, job_dir)
        except Exception as problem:  # noqa: BLE001 - it is in the record
            self.reason = reason_of(problem)
        try:
            self.result = records.from_journal(job_dir)
        except ExperimentError as problem:  # the journal cannot be read
            self.reason = reason_of(problem)


def _run(task: Task, job_dir: Path) -> None:
    config, assignment = task.config, task.assignment
    stops = None
    if assignment.peers is not None:
        from mnist_exp.sweeps.search.pruning import Contest  # it imports Optuna

        stops = Contest(assignment.peers).stops
    if (job_dir / journal.FILE_NAME).exists():
        lifecycle.resume_in(job_dir, overrides=task.overrides, stops=stops)
        return
    if config.training.threads is None:
        training = config.training.model_copy(update={"threads": task.threads})
        config = config.model_copy(update={"training": training})
    assert config.sweep.name is not None
    lifecycle.run(
        config,
        job_dir=job_dir,
        choices=dict(task.choices),
        overrides=task.overrides,
        hydra_callbacks=task.hydra.get("callbacks"),
        tags=assignment.tags(config.sweep.name),
        parent_job_id=task.parent_job_id,
        stops=stops,
    )


def begin(process: int, gpu: str | None) -> None:
    """Prepares a new process, before TensorFlow is imported.

    It leaves Ctrl-C and a closed terminal to the sweep, and ends when the sweep is gone.

    Args:
        process: id of the sweep's, whose child this is.
        gpu: the only one that is for this process, as CUDA names it; None: all that there are.
    """
    if gpu is not None:
        os.environ[cuda.VARIABLE] = gpu
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    signals.insist()
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: int) -> None:
    while os.getppid() == process:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_SECONDS)  # Python swallows what is raised in the middle of a finalizer
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(*_: object) -> None:
    if _at_work:
        signals.stop(Terminated)
    os._exit(_SIGTERM_EXIT)  # it waits for a job: nothing is to be ended, and nobody to be told


class Resubmitted:
    """`work` for submitit, which submits it again when the time of a batch job is up.

    Slurm says so by a signal of submitit's choice; by SIGTERM it says that it will kill the job,
    which was cancelled, or has to leave its place to another. Submitit ignores that.
    """

    def __init__(self) -> None:
        """Has not been submitted again."""
        self._submitted_again = False

    def __call__(self, task: Task) -> JobResult | None:
        """Runs or resumes a job; see `work`."""
        signal.signal(signal.SIGTERM, self._terminate)
        return work(task)

    def checkpoint(self, task: Task) -> Any:
        """Returns what is submitted again: the same job, which goes on from its checkpoint."""
        import submitit

        self._submitted_again = True
        return submitit.helpers.DelayedSubmission(Resubmitted(), task)

    def _terminate(self, *_: object) -> None:
        if self._submitted_again:
            return  # it is ending
        if slurm.is_preempted(os.environ.get("SLURM_JOB_ID", "")):
            signal.raise_signal(signal.SIGUSR2)
        else:
            _terminate()
