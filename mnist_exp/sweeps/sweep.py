"""A sweep from its plan to its report: what is done is skipped, the rest runs, all is recorded."""

import math
import signal
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.config.grid import SweepComposer
from mnist_exp.core import processor, signals
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import counted
from mnist_exp.runs import environment, proof
from mnist_exp.sweeps.execute import parent
from mnist_exp.sweeps.execute.announcement import announcement
from mnist_exp.sweeps.execute.claims import RECORD, Claims, join
from mnist_exp.sweeps.execute.dispatch import Dispatch, withdraw
from mnist_exp.sweeps.execute.division import Division
from mnist_exp.sweeps.execute.engines import engine
from mnist_exp.sweeps.execute.grid_jobs import GridJobs
from mnist_exp.sweeps.execute.jobs import Jobs
from mnist_exp.sweeps.execute.pending import PendingJobs
from mnist_exp.sweeps.execute.preview import preview
from mnist_exp.sweeps.execute.progress import Progress, recording
from mnist_exp.sweeps.execute.scheduler import Scheduler
from mnist_exp.sweeps.plan import Plan, PlannedJob
from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking.journal.events import Outcome
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.names import DONE
from mnist_exp.tracking.sync.recovery import recover

_POLL_SECONDS = 0.5


class Sweep:
    """One `mnist-exp train -m`."""

    def __init__(self, composer: SweepComposer, *, dry_run: bool = False) -> None:
        """Plans it, and reads what is done already.

        Args:
            composer: of the command line.
            dry_run: whether nothing will run.

        Raises:
            RequestError: something in it is wrong, the store cannot be used, or a command with
                another plan is at this sweep.
            ExperimentError: the data cannot be read.
        """
        self.plan = Plan(composer)
        self.for_all = composer.for_all  # overrides, as Hydra composes them before any job
        self._hydra = composer.hydra
        self._engine = engine(_launcher(composer.hydra))
        tracking = self.plan.config.tracking
        uri = location.resolve(tracking.uri)
        preflight(uri)
        if not dry_run:
            self._prove()
        self._outputs = _outputs(composer.hydra)
        self.ledger = Ledger(self.plan.name, uri, tracking.experiment)
        self._claims: Claims | None = None
        if not dry_run:
            # Before the ledger is read: no other must do meanwhile what is planned here.
            experiment = self.ledger.experiment
            self._claims = join(self.plan.name, self.plan.digest, self._outputs, experiment)
            withdraw(self.plan.name, self._outputs)  # from what a dead command left in a queue
        others = self._claims.others() if self._claims is not None else []
        self.ledger.read(alone=not dry_run and not others)
        self._pending = PendingJobs(
            self.plan,
            self.ledger,
            self._outputs,
            since=math.inf if self._claims is None else self._claims.own.since,
        )
        if self.plan.space is None:
            self._jobs: Jobs = GridJobs(self._pending, self.ledger, self._threads)
        else:
            # Late, since it imports Optuna, which a grid need not.
            from mnist_exp.sweeps.execute.search_jobs import SearchJobs

            self._jobs = SearchJobs(self.plan, self.ledger, self._pending)
        self.results = self._jobs.found()
        self.announcement = announcement(
            self.plan,
            self.ledger,
            self._pending,
            slots=self._engine.slots,
            done=self.results,
            total=self._jobs.total,
        )
        for other in others:
            self.announcement += f"\nShared with another command at it: {other.told()}."
        # Of a search, what is tried next is not known.
        is_grid = self.plan.space is None
        self.preview = (
            preview(self._pending.jobs, self.ledger, self.results) if dry_run and is_grid else ""
        )

    def _prove(self) -> None:
        """Tries components of the user's own that no run has had, before the first job.

        Raises:
            RequestError: they break a promise.
        """
        configs = [draft.config for draft in self.plan.grid] or [self.plan.config]
        unproven = proof.unproven(map(environment.settled, configs))
        if unproven:
            from mnist_exp.sweeps.execute.engines import processes

            say("Trying the components of your own, once, before the first job.", error=True)
            processes.apart(proof.require, unproven)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run, and the parent run says so."""
        parent = self.ledger.parent
        return self._is_over and parent is not None and parent.outcome == "finished"

    @property
    def _is_over(self) -> bool:
        return self._jobs.next(self.results, ()) is None

    @property
    def unfinished(self) -> list[JobResult]:
        """The jobs that failed or were killed."""
        return [r for r in self.results.values() if r.outcome not in DONE]

    def __call__(self) -> None:
        """Runs what is missing; called by the sweeper that Hydra loads.

        Raises:
            KeyboardInterrupt: the user stopped it; the record is true.
        """
        assert self._claims is not None
        record: parent.Parent | None = None
        outcome: Outcome = "killed"
        try:
            record, parent_job_id = self._record(self._claims)
            stopped = self._run(self._claims, parent_job_id)
            left = stopped and not self._is_over
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
            with closing(self._claims), recording():
                recover(Path.cwd())
                if record is None and not self._claims.leads:  # else it could not begin
                    self._claims.settle()
                    if self._claims.take(RECORD):  # who had it has ended
                        self.ledger.refresh()
                        record = parent.Parent.begin(self.ledger, self.plan, self._outputs)
                        self.publish()
                if record is not None:
                    # Whoever goes on reports at the end, and may be waiting for the record.
                    reports = outcome != "killed" or not self._claims.others()
                    record.end(list(self.results.values()) if reports else [], outcome)
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
                "failed, with the reasons above. Mend what they name, and give the command again."
            )

    def _record(self, claims: Claims) -> tuple[parent.Parent | None, str]:
        """Opens the sweep's own run, unless another command has; returns its job id with it."""
        while not claims.leads:
            begun = [other.parent for other in claims.others() if other.parent is not None]
            if begun:
                return None, begun[0]
            time.sleep(_POLL_SECONDS)
            if claims.take(RECORD):  # the other has ended before it began
                self.ledger.refresh()
        record = parent.Parent.begin(self.ledger, self.plan, self._outputs)
        claims.announce(parent=record.job_id)
        return record, record.job_id

    def _run(self, claims: Claims, parent_job_id: str) -> bool:
        """Runs the jobs; tells whether the user stopped it."""
        dispatch = Dispatch(
            self.plan.name,
            self._hydra,
            self._engine,
            parent_job_id=parent_job_id,
            outputs=self._outputs,
        )
        settings = self.plan.config.sweep

        def learned(result: JobResult) -> None:
            self.results[result.number] = result
            progress.note(result)
            self._jobs.tell(self.results)
            if result.outcome not in DONE and settings.on_failure == "stop":
                begin_no_more()

        def begin_no_more() -> None:
            scheduler.stop()
            dispatch.withdraw()

        division = Division(
            claims,
            self.ledger,
            self._pending,
            self._jobs,
            results=self.results,
            learned=learned,
        )
        progress = Progress(
            total=self._jobs.total,
            outputs=self._outputs,
            queue=not self._engine.children,
            elsewhere=lambda: division.elsewhere,
        )
        progress.knows(self.results.values())
        scheduler = Scheduler(
            division,
            self._engine,
            task=dispatch.task,
            outputs=self._outputs,
            retries=settings.retries,
            started=progress.watch,
        )
        if claims.leads:
            self.publish()
        stopped: list[int] = []

        def stop(number: int, _: Any) -> None:
            """Lets the first Ctrl-C finish what runs, and the second stop it."""
            if stopped:
                raise KeyboardInterrupt
            stopped.append(number)
            begin_no_more()
            progress.say(
                "Stopping when the running jobs have finished; Ctrl-C again stops them now."
            )

        interrupted = signals.handled(signal.SIGINT, stop)
        with closing(self._engine), closing(dispatch), progress, interrupted:
            scheduler.run()
        return bool(stopped)

    def publish(self) -> None:
        """Has a search written as a study of Optuna's where it was asked for, or beside a file."""
        store = location.sqlite_path(self.ledger.experiment.uri)
        beside = None if store is None else f"sqlite:///{store.with_name('optuna.db')}"
        url = self.plan.config.sweep.study or beside
        if url is not None:
            self._jobs.publish(url, self.results)

    def _threads(self, job: PlannedJob) -> int:
        return job.draft.config.training.threads or self._engine.threads or processor.cores()


def _outputs(hydra: Mapping[str, Any]) -> Path:
    """Returns where the job folders go."""
    folder, subdir = str(hydra["sweep"]["dir"]), str(hydra["sweep"]["subdir"])
    if "mnist_exp.job_folder" not in subdir:
        raise RequestError(
            "Expected no hydra.sweep.subdir: each job has a folder of its own, by which a run that "
            f"was cut off is found again. Received: {subdir}. Leave it out; hydra.sweep.dir says "
            "where the folders are."
        )
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
