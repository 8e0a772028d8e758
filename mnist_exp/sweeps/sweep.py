"""A sweep from its plan to its report: what is done is skipped, the rest runs, all is recorded."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp import provenance
from mnist_exp.config import SweepComposer, flatten
from mnist_exp.console import duration
from mnist_exp.errors import ExperimentError, RequestError
from mnist_exp.experiment import OUTPUTS
from mnist_exp.sweeps import parent, report
from mnist_exp.sweeps.launches import Fleet, Launches, PlannedJob, planned_folder
from mnist_exp.sweeps.ledger import CODE_TAG, Ledger
from mnist_exp.sweeps.plan import Draft, Plan
from mnist_exp.sweeps.progress import Progress
from mnist_exp.sweeps.results import JobResult
from mnist_exp.tracking import RunRecord, location, recover
from mnist_exp.tracking.locks import Lock

if TYPE_CHECKING:
    from mnist_exp.job import Job

_SKIPPED = {"finished", "pruned"}


class Sweep:
    """One `mnist-exp train -m`."""

    def __init__(self, composer: SweepComposer) -> None:
        """Plans it, and reads what is done already.

        Args:
            composer: of the command line.

        Raises:
            RequestError: something in it is wrong, or the store cannot be used.
            ExperimentError: the data cannot be read.
        """
        self.plan = Plan(composer)
        tracking = self.plan.config.tracking
        uri = location.resolve(tracking.uri)
        self.ledger = Ledger(self.plan.name, uri, tracking.experiment)
        self.ledger.read()
        self._fleet = Fleet.of(composer.hydra["launcher"])
        self._code = provenance.code()
        self._outputs = Path(OUTPUTS)
        self.results: dict[int, JobResult] = {}
        self._check_space()
        self.jobs = self._numbered(self.plan.grid)
        self._known()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return self.plan.space is None and all(job.number in self.results for job in self.jobs)

    @property
    def unfinished(self) -> list[JobResult]:
        """The jobs that failed."""
        return [r for r in self.results.values() if r.outcome not in _SKIPPED]

    def announce(self) -> str:
        """Returns what is going to happen, in a few lines."""
        waiting = [job for job in self.jobs if job.number not in self.results]
        lines = []
        if self.plan.space is not None:
            lines.append(self._announce_search())
        elif self.results:
            lines.append(
                f"Sweep {self.plan.name}: {len(self.results)} of {len(self.jobs)} done, "
                f"running {len(waiting)}"
            )
        else:
            lines.append(f"Sweep {self.plan.name}: {len(self.jobs)} jobs")
        lines[0] += self._estimate(waiting)
        if self.plan.repeated:
            lines.append(f"{self.plan.repeated} more would repeat one of these, and are left out.")
        stale = [run for run in self._done_runs() if run.tags.get(CODE_TAG) != self._code.sha256]
        if stale:
            remedy = "sweep.rerun=stale runs them again"
            lines.append(f"{len(stale)} of those done were run by older code; {remedy}.")
        return "\n".join(lines)

    def run(self, launcher: Any, job: "Job") -> None:
        """Runs what is missing; called by the sweeper that Hydra loads.

        Args:
            launcher: Hydra's, set up with `job`.
            job: the task function.

        Raises:
            RequestError: another process runs this sweep.
            KeyboardInterrupt: the user stopped it; the record is true.
        """
        lock = self._lock()
        recorder = parent.begin(self.ledger, self.plan, self._outputs)
        launches = Launches(
            launcher,
            job,
            self._fleet,
            sweep=self.plan.name,
            parent_job_id=recorder.started.job_id,
            outputs=self._outputs,
        )
        outcome: parent.Outcome = "killed"
        stopped: list[int] = []
        try:
            with self._progress(launches) as progress, _interruptible(launches, progress, stopped):
                self._run_all(launches, progress)
            launches.close()
            outcome = "killed" if stopped else "failed" if self.unfinished else "finished"
        finally:
            recover(Path.cwd())
            parent.end(recorder, self.plan, list(self.results.values()), outcome)
            lock.release()
        if stopped:
            raise KeyboardInterrupt

    def conclude(self) -> None:
        """Prints the ranking.

        Raises:
            ExperimentError: a job failed.
        """
        report.show(list(self.results.values()), self.plan.fixed)
        failed = len(self.unfinished)
        if failed:
            raise ExperimentError(
                f"Expected every job to finish. Received: {failed} of {len(self.results)} that "
                "failed, with the reasons above. Give the command again to retry them."
            )

    # Planning

    def _check_space(self) -> None:
        """Refuses a name that another space has."""
        run = self.ledger.parent
        if run is None:
            return
        before = parent.space_of(run)
        lines = parent.difference(before, self.plan.record)
        if lines:
            raise RequestError(
                f"Expected the space that sweep {self.plan.name} explored before. Received: "
                f"another. Choose another sweep.name, or go back to it:\n  " + "\n  ".join(lines)
            )

    def _numbered(self, drafts: Sequence[Draft]) -> list[PlannedJob]:
        """Numbers a grid: what has a run keeps its number, the others take those that are free."""
        known = self.ledger.numbers()
        taken = set(known.values())
        free = (n for n in range(len(drafts) + len(taken)) if n not in taken)
        return [
            self._planned(known[draft.key] if draft.key in known else next(free), draft)
            for draft in drafts
        ]

    def _planned(self, number: int, draft: Draft) -> PlannedJob:
        return PlannedJob(
            number, draft.overrides, draft.config, draft.assignment, self._folder(draft.key)
        )

    def _folder(self, key: str) -> str:
        """Returns a new folder for a job, or that of its run that was cut off."""
        run = self.ledger.run(key)
        cut_off = run is not None and run.outcome not in _SKIPPED
        if run is not None and cut_off and (self._outputs / (run.job_id or "")).is_dir():
            return run.job_id or planned_folder()
        return planned_folder()

    def _known(self) -> None:
        """Takes over the results of jobs that need not run again."""
        for job in self.jobs:
            run = self._still_good(job.assignment.key)
            if run is not None:
                self.results[job.number] = replace(
                    self.ledger.result(run, epochs=False), number=job.number
                )

    def _still_good(self, key: str) -> RunRecord | None:
        run, rerun = self.ledger.done(key), self.plan.config.sweep.rerun
        stale = run is not None and run.tags.get(CODE_TAG) != self._code.sha256
        return None if rerun == "all" or (rerun == "stale" and stale) else run

    def _done_runs(self) -> list[RunRecord]:
        runs = (self.ledger.done(job.assignment.key) for job in self.jobs)
        return [run for run in runs if run is not None]

    def _announce_search(self) -> str:
        search = self.plan.config.search
        assert search is not None
        assert self.plan.space is not None
        seeds = f", {len(self.plan.space.seeds)} seeds each" if self.plan.space.seeds else ""
        known = len(self.ledger.latest())
        done = f", {known} runs so far" if known else ""
        return f"Sweep {self.plan.name}: {search.name} search, {search.trials} trials{seeds}{done}"

    def _estimate(self, waiting: Sequence[PlannedJob]) -> str:
        """Returns how long the jobs will take, where runs like them are known."""
        total, known = 0.0, 0
        for job in waiting:
            like = self.ledger.seconds_of_like(flatten(job.config))
            if like is None:
                return ""
            total, known = total + like[0], known + like[1]
        if not waiting:
            return ""
        return f", about {duration(total / min(self._fleet.slots, len(waiting)))}"

    # Running

    def _progress(self, launches: Launches) -> Progress:
        def ended(result: JobResult) -> None:
            failed = result.outcome not in _SKIPPED
            if failed and self.plan.config.sweep.on_failure == "stop":
                launches.stop()

        return Progress(
            total=len(self.jobs), outputs=self._outputs, slots=self._fleet.slots, ended=ended
        )

    def _run_all(self, launches: Launches, progress: Progress) -> None:
        progress.knows(self.results.values())
        if self.plan.space is None:
            self._run_jobs(self.jobs, launches, progress)
            return
        from mnist_exp.sweeps.campaign import Campaign

        campaign = Campaign(
            self.plan, self.ledger, self._fleet, number=self._planned, good=self._still_good
        )
        self.results |= campaign.results
        progress.knows(self.results.values())
        while not launches.stopped and (jobs := campaign.next(self.results)):
            progress.total = campaign.total
            self._run_jobs(jobs, launches, progress)

    def _run_jobs(self, jobs: Sequence[PlannedJob], launches: Launches, progress: Progress) -> None:
        waiting = [job for job in jobs if job.number not in self.results]

        def done(result: JobResult) -> None:
            self.results[result.number] = result
            progress.note(result)

        progress.watch(waiting)
        launches.run(waiting, retries=self.plan.config.sweep.retries, done=done)

    def _lock(self) -> Lock:
        folder = self._outputs / ".sweeps"
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock.take(folder / f"{self.plan.name}.lock")
        if lock is None:
            raise RequestError(
                f"Expected a sweep that no other process runs. Received: {self.plan.name}, which "
                "one in this folder is at. Wait for it, or stop it."
            )
        return lock


@contextmanager
def _interruptible(launches: Launches, progress: Progress, stopped: list[int]) -> Iterator[None]:
    """Lets the first Ctrl-C finish what runs, and the second stop it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: Any) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)
        launches.stop()
        progress.say("Stopping when the running jobs have finished; Ctrl-C again stops them now.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
