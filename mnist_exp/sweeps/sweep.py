"""A sweep from its plan to its report: what is done is skipped, the rest runs, all is recorded."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp.config.grid import SweepComposer
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import counted
from mnist_exp.sweeps.execute import parent
from mnist_exp.sweeps.execute.claim import hold
from mnist_exp.sweeps.execute.launches import Fleet, Launches, PlannedJob
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.execute.progress import Progress
from mnist_exp.sweeps.plan import Plan
from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.names import DONE
from mnist_exp.tracking.sync.recovery import recover

if TYPE_CHECKING:
    from mnist_exp.sweeps.execute.batches import Campaign
    from mnist_exp.sweeps.execute.job import SweepJob


class Sweep:
    """One `mnist-exp train -m`."""

    def __init__(self, composer: SweepComposer, *, dry_run: bool = False) -> None:
        """Plans it, and reads what is done already.

        Args:
            composer: of the command line.
            dry_run: whether nothing will run.

        Raises:
            RequestError: something in it is wrong, the store cannot be used, or another command
                is at this sweep.
            ExperimentError: the data cannot be read.
        """
        self.plan = Plan(composer)
        tracking = self.plan.config.tracking
        uri = location.resolve(tracking.uri)
        preflight(uri)
        self._outputs = _outputs(composer.hydra)
        self.ledger = Ledger(self.plan.name, uri, tracking.experiment)
        self._held = ExitStack()
        if not dry_run:
            # Before the ledger is read: no other must do meanwhile what is planned here.
            self._held = hold(self.plan.name, self._outputs, self.ledger.experiment)
        self.ledger.read(alone=not dry_run)
        self._fleet = Fleet.of(composer.hydra["launcher"])
        self._pending = PendingJobs(self.plan, self.ledger, self._fleet, self._outputs)
        self.results = dict(self._pending.done)
        self.announcement = self._pending.announce()
        # Of a search, what is tried next is not known.
        self.preview = self._pending.preview() if dry_run and self.plan.space is None else ""
        self._campaign: Campaign | None = None
        waiting = self._pending.waiting
        if self.plan.space is not None:
            from mnist_exp.sweeps.execute import batches

            self._campaign = batches.Campaign(
                self.plan,
                self.ledger,
                self._fleet,
                number=self._pending.planned,
                good=self._pending.good,
            )
            self.results |= self._campaign.results
            waiting = self._campaign.next(self.results)
        self._waiting = waiting

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run, and the parent run says so."""
        parent = self.ledger.parent
        return not self._waiting and parent is not None and parent.outcome == "finished"

    @property
    def unfinished(self) -> list[JobResult]:
        """The jobs that failed."""
        return [r for r in self.results.values() if r.outcome not in DONE]

    def run(self, launcher: Any, job: "SweepJob") -> None:
        """Runs what is missing; called by the sweeper that Hydra loads.

        Args:
            launcher: Hydra's, set up with `job`.
            job: the task function.

        Raises:
            KeyboardInterrupt: the user stopped it; the record is true.
        """
        record = parent.Parent.begin(self.ledger, self.plan, self._outputs)
        launches = Launches(
            launcher,
            job,
            self._fleet,
            sweep=self.plan.name,
            parent_job_id=record.job_id,
            outputs=self._outputs,
        )
        outcome: parent.Outcome = "killed"
        stopped: list[int] = []
        try:
            with self._progress(launches) as progress, _interruptible(launches, progress, stopped):
                self._run_all(launches, progress)
            launches.close()
            left = stopped and self._left()
            outcome = "killed" if left else "failed" if self.unfinished else "finished"
        except (RequestError, ExperimentError):
            outcome = "failed"
            raise
        except Exception as problem:
            outcome = "failed"
            raise ExperimentError(
                f"Expected to run the sweep to its end. Received: {reason_of(problem)}. The same "
                "command goes on; MNIST_EXP_DEBUG=1 shows where it happened."
            ) from problem
        finally:
            recover(Path.cwd())
            record.end(list(self.results.values()), outcome)
            self._held.close()
        if left:
            done = len(self.results) - len(self.unfinished)
            raise KeyboardInterrupt(
                f"Stopped by Ctrl-C, with {counted(done, 'job')} done; the same command runs the "
                "others."
            )

    def conclude(self) -> None:
        """Prints the ranking.

        Raises:
            ExperimentError: a job failed.
        """
        report.show(list(self.results.values()), self.plan.fixed)
        lacking = self.ledger.lacking(self.results.values())
        if lacking:
            say(
                f"MLflow does not have {counted(lacking, 'job')} of these: they wait for "
                "`mnist-exp sync`, or the store was deleted or replaced meanwhile. The same "
                "command runs again what is lost.",
                error=True,
            )
        failed = len(self.unfinished)
        if failed:
            raise ExperimentError(
                f"Expected every job to finish. Received: {failed} of {len(self.results)} that "
                "failed, with the reasons above. Give the command again to retry them."
            )

    def _progress(self, launches: Launches) -> Progress:
        def ended(result: JobResult) -> None:
            failed = result.outcome not in DONE
            if failed and self.plan.config.sweep.on_failure == "stop":
                launches.stop()

        return Progress(
            total=len(self._pending.jobs),
            outputs=self._outputs,
            slots=self._fleet.slots,
            retries=self.plan.config.sweep.retries,
            ended=ended,
        )

    def _run_all(self, launches: Launches, progress: Progress) -> None:
        progress.knows(self.results.values())
        while self._waiting and not launches.stopped:
            if self._campaign is not None:
                progress.total = self._campaign.total
            self._run_jobs(self._waiting, launches, progress)
            self._waiting = self._left()

    def _left(self) -> list[PlannedJob]:
        """Returns the jobs that come next; those that failed are for another command."""
        if self._campaign is not None:
            return self._campaign.next(self.results)
        return [job for job in self._pending.waiting if job.number not in self.results]

    def _run_jobs(self, jobs: Sequence[PlannedJob], launches: Launches, progress: Progress) -> None:
        def done(result: JobResult) -> None:
            self.results[result.number] = result
            progress.note(result)

        progress.watch(jobs)
        settings = self.plan.config.sweep
        stoppable = settings.on_failure == "stop"
        launches.run(jobs, retries=settings.retries, stoppable=stoppable, done=done)


def _outputs(hydra: Mapping[str, Any]) -> Path:
    """Returns where the job folders go."""
    folder = str(hydra["sweep"]["dir"])
    if "${" in folder:
        raise RequestError(
            f"Expected hydra.sweep.dir to be the same for all jobs and all times. Received: "
            f"{folder}. Name a folder; each job gets one of its own in it."
        )
    return Path(folder)


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
