"""One job of a sweep, in the process that a launcher gives it.

Whatever happens to the job is in its journal and in the result; nothing of it stays for the next.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mnist_exp.config.schema import Config
from mnist_exp.core import tensorflow_memory, tensorflow_setup
from mnist_exp.core.errors import ExperimentError, Terminated, reason_of
from mnist_exp.runs import console, lifecycle
from mnist_exp.sweeps.membership import Assignment, Membership
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking import journal

_WATCH_SECONDS = 0.5
_END_SECONDS = 10.0  # for the record of the job
_SIGTERM_EXIT = 143
_watched: set[int] = set()


def work(
    config: Config,
    *,
    job_dir: Path,
    choices: dict[str, str],
    overrides: Sequence[str],
    membership: Membership,
) -> JobResult | None:
    """Runs or resumes a job, and tells what came of it.

    Args:
        config: the job's, with `sweep.job` set.
        job_dir: the job's folder, which exists; with a journal, its run goes on.
        choices: config group -> chosen option.
        overrides: what was typed, and what the sweep chose.
        membership: the sweep's.

    Returns:
        The result; None where the sweep was stopped before the job began.
    """
    permit = Path(membership.permit)
    if permit.parent.is_dir() and not permit.exists():  # a far machine may not have the folder
        return None
    if membership.process is not None and membership.process != os.getppid():
        return None  # the sweep died while this worker started
    follow(membership.process)
    tensorflow_setup.ours = True
    if config.sweep.job is None:
        raise AssertionError(overrides)
    assignment = membership.assignments[config.sweep.job]
    if config.training.threads is None:
        training = config.training.model_copy(update={"threads": membership.threads})
        config = config.model_copy(update={"training": training})
    reason = ""
    try:
        with console.silent():
            _run(
                config,
                job_dir=job_dir,
                choices=choices,
                overrides=overrides,
                membership=membership,
                assignment=assignment,
            )
    except Exception as problem:  # noqa: BLE001 - whatever it was, the other jobs go on
        reason = reason_of(problem)
    except (KeyboardInterrupt, Terminated):
        # The record is complete; the worker must not outlive its sweep, nor say a word of it.
        sys.stderr.flush()
        os._exit(_SIGTERM_EXIT)
    finally:
        tensorflow_memory.forget()
    try:
        result = records.from_journal(job_dir)
    except ExperimentError as problem:  # the journal cannot be read
        result, reason = None, reason_of(problem)
    return result or records.unrecorded(config, assignment, reason)


def _run(
    config: Config,
    *,
    job_dir: Path,
    choices: dict[str, str],
    overrides: Sequence[str],
    membership: Membership,
    assignment: Assignment,
) -> None:
    stops = None if assignment.peers is None else assignment.peers.stops
    if (job_dir / journal.FILE_NAME).exists():
        lifecycle.resume_in(job_dir, stops=stops)
        return
    lifecycle.run(
        config,
        job_dir=job_dir,
        choices=choices,
        overrides=[text for text in overrides if not text.startswith("sweep.")],
        tags=assignment.tags(membership.sweep),
        parent_job_id=membership.parent_job_id,
        stops=stops,
    )


def follow(process: int | None) -> None:
    """Leaves Ctrl-C to the sweep, and ends this worker when the sweep is gone.

    Args:
        process: the sweep's, whose child this is; None where it is not.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if process is None or process in _watched:
        return
    _watched.add(process)
    signal.signal(signal.SIGTERM, _terminate)
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: int) -> None:
    while os.getppid() == process:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_SECONDS)  # Python swallows what is raised in the middle of a finalizer
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(*_: object) -> None:
    raise Terminated
