"""A sweep from its plan to its report: what is done is skipped, the rest runs, all is recorded."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.config.grid import SweepComposer
from mnist_exp.core import hardware
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import counted
from mnist_exp.sweeps.execute import parent
from mnist_exp.sweeps.execute.claim import hold
from mnist_exp.sweeps.execute.dispatch import Dispatch, withdraw
from mnist_exp.sweeps.execute.engines import engine
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.execute.progress import Progress, recording
from mnist_exp.sweeps.execute.scheduler import Scheduler
from mnist_exp.sweeps.plan import Plan, PlannedJob
from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.names import DONE
from mnist_exp.tracking.sync.recovery import recover

if TYPE_CHECKING:
    from mnist_exp.sweeps.execute.campaign import Campaign


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
            withdraw(self.plan.name, self._outputs)  # from what a dead command left in a queue
        self.ledger.read(alone=not dry_run)
        self._hydra = composer.hydra
        self._engine = engine(_launcher(composer.hydra))
        slots = self._engine.slots
        self._pending = PendingJobs(self.plan, self.ledger, slots, self._outputs)
        self.results = dict(self._pending.done)
        self.announcement = self._pending.announce()
        # Of a search, what is tried next is not known.
        self.preview = self._pending.preview() if dry_run and self.plan.space is None else ""
        self._campaign: Campaign | None = None
        if self.plan.space is not None:
            # Late, since it imports Optuna, which a grid need not.
            from mnist_exp.sweeps.execute import campaign

            self._campaign = campaign.Campaign(
                self.plan,
                self.ledger,
                number=self._pending.planned,
                good=self._pending.good,
            )
            self.results |= self._campaign.results

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run, and the parent run says so."""
        parent = self.ledger.parent
        return not self._left() and parent is not None and parent.outcome == "finished"

    @property
    def unfinished(self) -> list[JobResult]:
        """The jobs that failed."""
        return [r for r in self.results.values() if r.outcome not in DONE]

    def __call__(self) -> None:
        """Runs what is missing; called by the sweeper that Hydra loads.

        Raises:
            KeyboardInterrupt: the user stopped it; the record is true.
        """
        record = parent.Parent.begin(self.ledger, self.plan, self._outputs)
        outcome: parent.Outcome = "killed"
        try:
            left = self._run(record.job_id) and self._left()
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
            with recording():
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

    def _run(self, parent_job_id: str) -> bool:
        """Runs the jobs; tells whether the user stopped it."""
        dispatch = Dispatch(
            self.plan.name,
            self._hydra,
            self._engine,
            parent_job_id=parent_job_id,
            outputs=self._outputs,
        )
        stopped: list[int] = []
        self._publish()
        with closing(self._engine), closing(dispatch), self._progress() as progress:
            scheduler = self._scheduler(dispatch, progress)
            with _interruptible(scheduler, progress, stopped):
                scheduler.run(self._jobs())
        return bool(stopped)

    def _publish(self) -> None:
        """Has a search written as a study of Optuna's where it was asked for, or beside a file."""
        store = location.sqlite_path(self.ledger.experiment.uri)
        beside = None if store is None else f"sqlite:///{store.with_name('optuna.db')}"
        url = self.plan.config.sweep.study or beside
        if self._campaign is not None and url is not None:
            self._campaign.publish(url, self.results)

    def _progress(self) -> Progress:
        progress = Progress(
            total=len(self._pending.jobs),
            outputs=self._outputs,
            queue=not self._engine.children,
        )
        progress.knows(self.results.values())
        return progress

    def _scheduler(self, dispatch: Dispatch, progress: Progress) -> Scheduler:
        settings = self.plan.config.sweep

        def started(job: PlannedJob) -> None:
            if self._campaign is not None:
                progress.total = self._campaign.total
            progress.watch(job)

        def ended(result: JobResult) -> None:
            self.results[result.number] = result
            progress.note(result)
            if self._campaign is not None:
                self._campaign.tell(self.results)
            if result.outcome not in DONE and settings.on_failure == "stop":
                scheduler.stop()

        scheduler = Scheduler(
            self._engine,
            task=dispatch.task,
            outputs=self._outputs,
            retries=settings.retries,
            started=started,
            ended=ended,
        )
        return scheduler

    def _jobs(self) -> Callable[[], PlannedJob | None]:
        """Returns what gives the jobs in their order; those that fail are for another command."""
        campaign = self._campaign
        if campaign is not None:
            return lambda: campaign.next(self.results)
        # Those of one number of threads follow each other: another one needs a fresh process.
        jobs = iter(sorted(self._pending.waiting, key=self._threads))
        return lambda: next(jobs, None)

    def _threads(self, job: PlannedJob) -> int:
        return job.draft.config.training.threads or self._engine.threads or hardware.cores()

    def _left(self) -> bool:
        """Tells whether jobs are left that did not run."""
        if self._campaign is not None:
            return not self._campaign.is_over(self.results)
        return any(job.number not in self.results for job in self._pending.waiting)


def _outputs(hydra: Mapping[str, Any]) -> Path:
    """Returns where the job folders go."""
    folder = str(hydra["sweep"]["dir"])
    if "${" in folder:
        raise RequestError(
            f"Expected hydra.sweep.dir to be the same for all jobs and all times. Received: "
            f"{folder}. Name a folder; each job gets one of its own in it."
        )
    return Path(folder)


def _launcher(hydra: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the launcher's config, with what it takes from other sections."""
    try:
        sections = OmegaConf.create({"hydra": dict(hydra)})
        launcher: Any = OmegaConf.to_container(sections.hydra.launcher, resolve=True)
    except OmegaConfBaseException as problem:
        raise RequestError(
            "Expected hydra.launcher to hold values, or to take them from hydra's other sections. "
            f"Received: {reason_of(problem)}. Correct it."
        ) from problem
    return dict(launcher)


@contextmanager
def _interruptible(scheduler: Scheduler, progress: Progress, stopped: list[int]) -> Iterator[None]:
    """Lets the first Ctrl-C finish what runs, and the second stop it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: Any) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)
        scheduler.stop()
        progress.say("Stopping when the running jobs have finished; Ctrl-C again stops them now.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
