"""What the tracking store knows of a sweep: its parent run, and what became of each job.

MLflow is the truth; nothing else is remembered.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import say
from mnist_exp.evaluation.names import TOTAL_SECONDS
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.records import JOB_PARAM
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.mlflow.store import answering
from mnist_exp.tracking.names import DONE, KEY_TAG, SWEEP_TAG
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.read.readable import trouble
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.recovery import recover, send_ended

# Keys whose values decide how long a run takes, or their beginnings.
_COSTLY = (
    "model.",
    "data.name",
    "data.train_images",
    "augmentation.name",
    "training.epochs",
    "training.batch_size",
    "training.device",
    "training.precision",
    "ensemble.",
)
_LIKE_RUNS = 500  # among which those are looked for that took as long
_ORPHAN_SECONDS = 20.0
_POLL_SECONDS = 0.5

Costs = tuple[tuple[str, str], ...]


class Ledger:
    """The runs of one sweep."""

    def __init__(self, sweep: str, uri: str, experiment: str) -> None:
        """Reads nothing yet.

        Args:
            sweep: its name.
            uri: a tracking URI as `location.resolve` returns it.
            experiment: MLflow's.
        """
        self.sweep = sweep
        self.experiment = Experiment(uri, experiment)
        self.parent: RunRecord | None = None
        self.at_work: frozenset[str] = frozenset()  # keys of jobs that other processes are at
        self._runs: dict[str, list[RunRecord]] = {}

    def read(self, *, alone: bool = True) -> None:
        """Puts right what a crash left behind, and reads the sweep's runs anew.

        Args:
            alone: whether jobs that are at work in other processes are in the way.

        Raises:
            RequestError: the store cannot be read, or a job is still at work in another process.
        """
        if alone:
            self._await_orphans()
        else:
            alive = self._alive().values()
            self.at_work = frozenset(tags[KEY_TAG] for tags in alive if KEY_TAG in tags)
        with answering(self.experiment.uri):
            found = self.experiment.tagged(SWEEP_TAG, self.sweep)
            if send_ended(Path.cwd(), found):
                recover(Path.cwd())
                found = self.experiment.tagged(SWEEP_TAG, self.sweep)
        for run in found:
            unreadable = trouble(run)
            if unreadable:
                say(f"Run {run.name} is passed over: {unreadable}.", error=True)
        self._take(_readable(found))

    def refresh(self, key: str | None = None) -> bool:
        """Reads the sweep's runs again, or those of one job; where the store is away, none.

        Args:
            key: of the job; None for all of the sweep.

        Returns:
            Whether the store answered.
        """
        with Attempt() as attempt:
            if key is None:
                self._take(_readable(self.experiment.tagged(SWEEP_TAG, self.sweep)))
            else:
                found = _jobs(_readable(self.experiment.tagged(KEY_TAG, key)))
                own = [run for run in found if run.tags.get(SWEEP_TAG) == self.sweep]
                self._runs |= {key: own} if own else {}
        return attempt.problem is None

    def _take(self, found: list[RunRecord]) -> None:
        self._runs = defaultdict(list)
        for run in _jobs(found):
            self._runs[run.tags[KEY_TAG]].append(run)
        parents = [run for run in found if run.is_sweep]
        self.parent = min(parents, key=lambda run: run.start_time) if parents else None

    def run(self, key: str) -> RunRecord | None:
        """Returns the run that counts for a job: one that is done, else the newest."""
        runs = self._runs.get(key, [])
        return next((run for run in runs if run.outcome in DONE), next(iter(runs), None))

    def newest(self, key: str) -> RunRecord | None:
        """Returns the newest run of a job, whatever became of it."""
        return next(iter(self._runs.get(key, [])), None)

    def done(self, key: str) -> RunRecord | None:
        """Returns the run of a job that need not run again; None where it must."""
        run = self.run(key)
        return run if run is not None and run.outcome in DONE else None

    def numbers(self) -> dict[str, int]:
        """Returns key -> number of the jobs that have a run."""
        return {key: int(runs[-1].params[JOB_PARAM]) for key, runs in self._runs.items()}

    def latest(self) -> list[RunRecord]:
        """Returns the run that counts for each job that has one."""
        return [run for key in self._runs if (run := self.run(key)) is not None]

    def result(self, run: RunRecord, *, epochs: bool) -> JobResult:
        """Returns what came of a job.

        Args:
            run: one of this sweep's.
            epochs: whether to fetch its objective epoch by epoch.
        """
        metric = Objective.of(run.params).metric
        history = self.experiment.store.history(run.run_id, metric) if epochs else {}
        return records.from_record(run, history)

    def lacking(self, results: Iterable[JobResult]) -> int:
        """Returns how many jobs are done and not in the store, as it is now.

        Args:
            results: of the jobs; none counts where the store does not answer.
        """
        with Attempt():
            runs = self.experiment.tagged(SWEEP_TAG, self.sweep)
            known = {run.tags.get(KEY_TAG, "") for run in runs if run.outcome in DONE}
            return sum(result.outcome in DONE and result.key not in known for result in results)
        return 0

    def seconds_of_like(self, params: dict[str, str]) -> float | None:
        """Returns the median time of runs that differ in little that costs time; None: no runs."""
        like = self._seconds.get(_costs(params), [])
        return like[len(like) // 2] if like else None

    @cached_property
    def _seconds(self) -> dict[Costs, list[float]]:
        """What decides how long a run takes -> how long the newest took, ascending."""
        seconds: dict[Costs, list[float]] = defaultdict(list)
        newest: list[RunRecord] = []
        with Attempt():  # nobody waits for an estimate
            newest = self.experiment.runs(_LIKE_RUNS)
        for run in newest:
            if run.outcome == "finished" and TOTAL_SECONDS in run.metrics:
                seconds[_costs(run.params)].append(run.metrics[TOTAL_SECONDS])
        return {costs: sorted(some) for costs, some in seconds.items()}

    def _alive(self) -> dict[Path, Mapping[str, str]]:
        """Returns job folder -> tags of this sweep's runs that a process is at.

        MLflow need not know them yet. What a crash left behind is put right.
        """
        pending = [one.job_dir for one in recover(Path.cwd()) if one.result == "alive"]
        found = ((job_dir, records.tags_of(job_dir)) for job_dir in pending)
        return {job_dir: tags for job_dir, tags in found if tags.get(SWEEP_TAG) == self.sweep}

    def _await_orphans(self) -> None:
        """Waits for jobs whose sweep was killed a moment ago: they notice, and end themselves."""
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            alive = self._alive()
            if not alive:
                return
            if time.monotonic() > deadline:
                raise RequestError(
                    f"Expected the jobs of sweep {self.sweep} to have ended. Received: "
                    f"{', '.join(str(folder) for folder in alive)}, where a process is still at "
                    "work. Wait for it to end, or stop it."
                )
            time.sleep(_POLL_SECONDS)


def _readable(found: Iterable[RunRecord]) -> list[RunRecord]:
    return [run for run in found if not trouble(run)]


def _jobs(found: Iterable[RunRecord]) -> list[RunRecord]:
    """Returns the runs that are jobs."""
    return [
        run for run in found if KEY_TAG in run.tags and JOB_PARAM in run.params and not run.is_sweep
    ]


def _costs(params: dict[str, str]) -> Costs:
    """Returns the params that decide how long a run takes."""
    return tuple(sorted(item for item in params.items() if item[0].startswith(_COSTLY)))
