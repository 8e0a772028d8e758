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
from typing import NamedTuple

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


class _Lost(NamedTuple):
    """A job whose engine gave no result; its process may be alive all the same."""

    job: PlannedJob
    since: int  # ms, when it was handed over
    problem: Exception  # the engine's


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
        self._lost: list[_Lost] = []
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
            while self._under_way or not (self.stopped or self._division.is_over()):
                if not self._running:
                    time.sleep(_POLL_SECONDS)
                ended, _ = wait(self._running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._take(future, *self._running.pop(future))
                self._take_lost()
                if self.stopped:
                    self._engine.withdraw()
                self._division.look()
                self._fill()
        except BaseException:
            self._engine.cancel()
            raise

    @property
    def _under_way(self) -> int:
        """How many jobs have a slot."""
        return len(self._running) + len(self._lost)

    def _fill(self) -> None:
        """Hands jobs over while there are slots."""
        # After a stop too the engine is asked, which tells when it is gone.
        while self._under_way < self._engine.slots and not self.stopped:
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
        """Takes what an engine says of a job."""
        try:
            result = future.result()
        except CancelledError:
            return
        except Exception as problem:  # noqa: BLE001 - each engine has its own way to fail
            self._lost.append(_Lost(job, since, problem))
            return
        self._end(job, result, "nothing")

    def _take_lost(self) -> None:
        """Takes what lost jobs wrote, once no process is at them; ends the records of dead ones."""
        alive = set()
        if self._lost:
            pending = recover(Path.cwd())
            alive = {one.job_dir.absolute() for one in pending if one.result == "alive"}
        lost, self._lost = self._lost, []
        for one in lost:
            job, problem = one.job, one.problem
            if (self._outputs / job.folder).absolute() in alive:
                self._lost.append(one)
                continue
            result = self._found(job, one.since, problem)
            is_killed = result is not None and result.outcome == "killed"
            if is_killed and self._engine.lost_machine(problem):
                result = None
            self._end(job, result, reason_of(problem))

    def _end(self, job: PlannedJob, result: JobResult | None, received: str) -> None:
        """Tells what came of a job, or has it run again; `received` says why it did not begin."""
        if result is None:
            if not self.stopped:
                self._begin_again(job, received)
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
