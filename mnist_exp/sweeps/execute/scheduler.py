"""The jobs of a sweep and the slots of an engine: a slot that frees gets the next job at once.

A worker may die before it can answer. What a job did is therefore read where the job wrote it, and
what never began is submitted again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import replace
from pathlib import Path

from mnist_exp.core.errors import ExperimentError, reason_of
from mnist_exp.sweeps.execute.division import Division
from mnist_exp.sweeps.execute.engines import Engine
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.task import Task
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.sync.recovery import recover

_FRUITLESS = 3  # times that one job does not begin, after which the engine is at fault
_POLL_SECONDS = 0.5


class Scheduler:
    """Runs jobs until there are no more."""

    def __init__(
        self,
        division: Division,
        engine: Engine,
        *,
        task: Callable[[PlannedJob], Task],
        outputs: Path,
        retries: int,
        started: Callable[[PlannedJob], None],
    ) -> None:
        """Runs nothing yet.

        Args:
            division: whose jobs run; told of each result that stands, once, it may stop the rest.
            engine: where the jobs run.
            task: what is sent there for a job.
            outputs: where the job folders lie.
            retries: how often a job that failed is tried again.
            started: told of each job that is handed over.
        """
        self.stopped = False
        self._division = division
        self._engine = engine
        self._task = task
        self._outputs = outputs
        self._retries = retries
        self._started = started
        self._running: dict[Future[JobResult | None], tuple[PlannedJob, int]] = {}
        self._again: deque[PlannedJob] = deque()
        self._failures: Counter[int] = Counter()
        self._fruitless: Counter[int] = Counter()
        self._has_run = False  # a job, to its end

    def stop(self) -> None:
        """Lets no further job begin; those that run end in peace."""
        self.stopped = True

    def run(self) -> None:
        """Runs jobs to their ends, and those that fail again.

        Raises:
            ExperimentError: the engine does not run jobs.
        """
        try:
            self._fill()
            while self._running or not (self.stopped or self._division.is_over()):
                if not self._running:
                    time.sleep(_POLL_SECONDS)
                ended, _ = wait(self._running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._take(future, *self._running.pop(future))
                if self.stopped:
                    self._engine.withdraw()
                self._division.look()
                self._fill()
        except BaseException:
            self._engine.cancel()
            raise

    def _fill(self) -> None:
        """Hands jobs over while there are slots."""
        # After a stop too the engine is asked, which tells when it is gone.
        while len(self._running) < self._engine.slots and not self.stopped:
            job = self._again.popleft() if self._again else self._division.next()
            if isinstance(job, JobResult):
                self._division.end(job)
                continue
            if job is None or self.stopped:  # what was learned on the way may stop the sweep
                break
            self._started(job)
            since = events.now()
            self._running[self._engine.submit(self._task(job))] = job, since

    def _take(self, future: Future[JobResult | None], job: PlannedJob, since: int) -> None:
        """Takes what came of a job that has ended, or runs it again."""
        problem: Exception | None = None
        try:
            result = future.result()
        except CancelledError:
            return
        except Exception as lost:  # noqa: BLE001 - each engine has its own way to fail
            problem = lost
            self._await_end(job)
            result = self._found(job, since, lost)
            if (
                result is not None
                and result.outcome == "killed"
                and self._engine.lost_machine(lost)
            ):
                result = None
        if result is None:
            if not self.stopped:
                self._begin_again(job, reason_of(problem) if problem else "nothing")
        elif self._is_tried_again(job, result):
            self._failures[job.number] += 1
            self._again.append(job)
        else:
            self._has_run = True
            # Another command may have begun it, of a grid of other words.
            self._division.end(replace(result, overrides=job.draft.assignment.overrides))

    def _is_tried_again(self, job: PlannedJob, result: JobResult) -> bool:
        has_failed = result.outcome in {"failed", "killed"}
        return has_failed and not self.stopped and self._failures[job.number] < self._retries

    def _begin_again(self, job: PlannedJob, received: str) -> None:
        """Submits a job again that did not begin; after some times it is at fault, or the engine.

        Raises:
            ExperimentError: no other job has run.
        """
        self._fruitless[job.number] += 1
        if self._fruitless[job.number] < _FRUITLESS:
            self._again.append(job)
        elif self._has_run:
            draft, reason = job.draft, f"its process died: {received}"
            self._division.end(
                records.unrecorded(
                    draft.config, draft.assignment, reason, "killed", number=job.number
                )
            )
        else:
            raise ExperimentError(
                f"Expected {self._engine.name} to run jobs. Received: {received}. See its "
                "documentation, or use hydra/launcher=sequential."
            )

    def _await_end(self, job: PlannedJob) -> None:
        """Waits for a job that outlived its engine, and ends the record of a dead one."""
        folder = (self._outputs / job.folder).absolute()
        while any(
            pending.result == "alive" and pending.job_dir.absolute() == folder
            for pending in recover(Path.cwd())
        ):
            time.sleep(_POLL_SECONDS)

    def _found(self, job: PlannedJob, since: int, problem: Exception) -> JobResult | None:
        """Returns what a job wrote, before its process died; None where it did not begin."""
        job_dir = self._outputs / job.folder
        if not (job_dir / journal.FILE_NAME).exists():
            return None
        try:
            result = records.from_journal(job_dir)
        except ExperimentError as unreadable:
            draft, reason = job.draft, reason_of(unreadable)
            return records.unrecorded(draft.config, draft.assignment, reason, number=job.number)
        if result is not None and result.end_time < since:
            return None  # how an earlier command left it
        if result is not None and result.outcome == "killed":
            return replace(result, reason=f"its process died: {reason_of(problem)}")
        return result
