"""Jobs handed to one of Hydra's launchers, until each has a result.

A launcher may lose jobs, or what they returned, when a process dies. What a job did is therefore
read where the job wrote it, and what never began is launched again.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp.config.schema import Config
from mnist_exp.core import hardware, ids
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.sweeps.membership import Assignment, Membership
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.sync.recovery import recover

if TYPE_CHECKING:
    from mnist_exp.sweeps.execute.job import SweepJob

_FRUITLESS_LAUNCHES = 3
_MOST_AT_ONCE = 200  # each job is told of all that are launched with it
_PERMIT = "permit-"
_OUR_CHILDREN = ("sequential", "joblib")
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class PlannedJob:
    """One job: what Hydra is given, and what is known of it before it runs."""

    number: int
    overrides: tuple[str, ...]  # all of them, but for those that the sweep adds
    config: Config
    assignment: Assignment
    folder: str  # its name in outputs/: a new one, or that of a run to go on with


@dataclass(frozen=True)
class Fleet:
    """How many jobs a launcher runs at once, and what each may use."""

    kind: str  # sequential, joblib, ray or submitit
    slots: int
    threads: int | None  # of a job that does not say; None: every core that it is given

    @classmethod
    def of(cls, launcher: Mapping[str, Any]) -> "Fleet":
        """Reads the config of a launcher.

        Args:
            launcher: `hydra.launcher`, in plain values.
        """
        target = str(launcher.get("_target_", ""))
        cores = hardware.cores()
        if "joblib" in target:
            jobs = int(launcher.get("n_jobs") or 1)
            slots = jobs if jobs > 0 else max(1, cores + 1 + jobs)
            return cls("joblib", slots, max(1, cores // slots))
        if "ray" in target:
            cpus = (launcher["ray"].get("remote") or {}).get("num_cpus") or 1
            return cls("ray", max(1, int(cores // cpus)), max(1, int(cpus)))
        if "submitit" in target:
            cpus = launcher.get("cpus_per_task") or 1
            return cls("submitit", launcher.get("array_parallelism") or 1, int(cpus))
        return cls("sequential", 1, None)


class Launches:
    """The launches of one sweep."""

    def __init__(
        self,
        launcher: Any,
        job: "SweepJob",
        fleet: Fleet,
        *,
        sweep: str,
        parent_job_id: str,
        outputs: Path,
    ) -> None:
        """Launches nothing yet.

        Args:
            launcher: Hydra's, set up with `job`.
            job: the task function.
            fleet: what the launcher does at once.
            sweep: its name.
            parent_job_id: of its parent run.
            outputs: where the job folders lie, and in the parent's, the permits of launches.
        """
        self.stopped = False
        self._launcher = launcher
        self._job = job
        self._fleet = fleet
        self._sweep = sweep
        self._parent_job_id = parent_job_id
        self._outputs = outputs
        self._launched = 0
        self._permit = Path()
        self._folder = (outputs / parent_job_id).absolute()
        for old in self._folder.glob(f"{_PERMIT}*"):  # what a dead sweep left queued stays undone
            old.unlink(missing_ok=True)
        if fleet.kind == "ray":
            quiet = {"log_to_driver": False, "logging_level": "ERROR"}
            launcher.ray_cfg.init.update({**quiet, **launcher.ray_cfg.init})
        self._threads: int | None = None

    def stop(self) -> None:
        """Lets no further job begin; those that run end in peace."""
        self.stopped = True
        self._permit.unlink(missing_ok=True)

    def run(
        self,
        jobs: Sequence[PlannedJob],
        *,
        retries: int,
        stoppable: bool,
        done: Callable[[JobResult], None],
    ) -> None:
        """Runs the jobs, and those that fail again.

        Args:
            jobs: what to run.
            retries: how often a job is tried again.
            stoppable: whether `done` may stop the rest: a launcher answers only when all that it
                was given have ended, so it is given no more than what runs at once.
            done: told of each result that stands, once.
        """
        for threads, group in groupby(sorted(jobs, key=self._job_threads), self._job_threads):
            self._use_threads(threads)
            self._run_group(list(group), retries, stoppable, done)

    def close(self) -> None:
        """Ends the workers, which have nothing to do."""
        if self._fleet.kind == "sequential":
            self._launcher.close()
        elif self._fleet.kind == "joblib":
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True)
        elif self._fleet.kind == "ray":
            import ray

            ray.shutdown()

    def _job_threads(self, job: PlannedJob) -> int:
        return job.config.training.threads or self._fleet.threads or hardware.cores()

    def _use_threads(self, threads: int) -> None:
        """TensorFlow keeps the threads that it started with, so other ones need fresh workers."""
        if self._threads not in {None, threads}:
            self.close()
        self._threads = threads
        if self._fleet.kind == "joblib":
            self._start_workers()

    def _start_workers(self) -> None:
        """Starts all of joblib's workers while Ctrl-C is ignored, which they inherit."""
        from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
        from joblib import Parallel, delayed

        settings = {**self._launcher.joblib, "backend": "loky"}
        process_joblib_cfg(settings)  # as the launcher does, so that it finds these workers
        with ctrl_c_ignored():
            Parallel(**settings)(delayed(os.getpid)() for _ in range(self._fleet.slots))

    def _run_group(
        self,
        jobs: list[PlannedJob],
        retries: int,
        stoppable: bool,
        done: Callable[[JobResult], None],
    ) -> None:
        waiting = jobs
        failures: Counter[int] = Counter()
        fruitless = 0
        suspects: set[int] = set()
        while waiting and not self.stopped:
            # A job that may have taken others down with it runs alone, to find out.
            alone = [job for job in waiting if job.number in suspects][:1]
            batch = alone or waiting[: self._fleet.slots if stoppable else _MOST_AT_ONCE]
            results, error = self._launch(batch)
            again: list[PlannedJob] = []
            others = [job for job in waiting if job not in batch]
            killed = [n for n, result in results.items() if result.outcome == "killed"]
            for job in batch:
                result = results.get(job.number)
                if result is None:
                    again.append(job)  # it never began
                elif self._doubtful(result, killed) and job.number not in suspects:
                    suspects.add(job.number)
                    again.append(job)
                elif result.outcome in {"failed", "killed"} and failures[job.number] < retries:
                    failures[job.number] += 1
                    again.append(job)
                else:
                    suspects.discard(job.number)
                    done(result)
            fruitless = 0 if results or self.stopped else fruitless + 1
            if fruitless == _FRUITLESS_LAUNCHES:
                raise ExperimentError(
                    f"Expected the launcher {type(self._launcher).__name__} to run jobs. Received: "
                    f"{reason_of(error) if error else 'nothing'}. See its documentation, or use "
                    "hydra/launcher=sequential."
                )
            waiting = again + others

    def _launch(
        self, jobs: Sequence[PlannedJob]
    ) -> tuple[dict[int, JobResult], BaseException | None]:
        """Launches jobs once; returns the results of those that began, and what went wrong."""
        self._permit = self._folder / f"{_PERMIT}{os.getpid()}-{self._launched}"
        self._permit.touch()
        self._job.membership = Membership(
            sweep=self._sweep,
            parent_job_id=self._parent_job_id,
            permit=str(self._permit),
            process=os.getpid() if self._fleet.kind in _OUR_CHILDREN else None,
            threads=self._fleet.threads,
            assignments={job.number: job.assignment for job in jobs},
        )
        overrides = [
            [
                *job.overrides,
                f"sweep.name='{self._sweep}'",
                f"sweep.job={job.number}",
                f"hydra.sweep.subdir={job.folder}",
            ]
            for job in jobs
        ]
        returned: Iterable[Any] = ()
        error: BaseException | None = None
        since = events.now()
        try:
            returned = self._launcher.launch(overrides, initial_job_idx=self._launched)
        except RequestError:
            raise
        except Exception as problem:  # noqa: BLE001 - each launcher has its own way to fail
            error = problem
        finally:
            self._permit.unlink(missing_ok=True)  # what is left in a queue must not begin later
        self._launched += len(jobs)
        values = [_value(job_return) for job_return in returned]
        results = {value.number: value for value in values if isinstance(value, JobResult)}
        error = error or next((v for v in values if isinstance(v, Exception)), None)
        missing = [job for job in jobs if job.number not in results]
        if missing:
            self._await_end(missing)
        return results | {
            job.number: result
            for job in missing
            if (result := self._found(job, since, error)) is not None
        }, error

    def _doubtful(self, result: JobResult, killed: Sequence[int]) -> bool:
        """Tells whether another of the jobs that died at once may have taken this one along."""
        return result.outcome == "killed" and len(killed) > 1 and self._fleet.slots > 1

    def _await_end(self, jobs: Sequence[PlannedJob]) -> None:
        """Waits for jobs that outlived their launcher, and ends the records of the dead."""
        folders = {(self._outputs / job.folder).absolute() for job in jobs}
        while any(
            pending.result == "alive" and pending.job_dir.absolute() in folders
            for pending in recover(Path.cwd())
        ):
            time.sleep(_POLL_SECONDS)

    def _found(self, job: PlannedJob, since: int, error: BaseException | None) -> JobResult | None:
        """Returns what a job wrote since a launch, before its process died; None where nothing."""
        job_dir = self._outputs / job.folder
        if not (job_dir / journal.FILE_NAME).exists():
            return None
        try:
            result = records.from_journal(job_dir)
        except ExperimentError as problem:  # the journal cannot be read
            return records.unrecorded(job.config, job.assignment, reason_of(problem))
        if result is not None and result.end_time < since:
            return None  # how an earlier command left it
        if result is not None and result.outcome == "killed" and error is not None:
            return replace(result, reason=f"its process died: {reason_of(error)}")
        return result


def planned_folder() -> str:
    """Returns the name of a new job folder."""
    return ids.new()


def _value(job_return: Any) -> Any:
    """Returns what a job returned, or the error that it ended with.

    Hydra's own `return_value` would print the error, and raise it.
    """
    return job_return._return_value  # noqa: SLF001


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Lets processes start that never hear of Ctrl-C, which is for the sweep to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
