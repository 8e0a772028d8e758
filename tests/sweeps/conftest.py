"""Whole sweeps, each in a folder and processes of its own, as a user starts and stops them."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import invoke
import pytest
import waiting
from invoke import Done, Process
from projects import SMOKE, artifact

from mnist_exp.sweeps.results.records import JOB_PARAM
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import KEY_TAG, SWEEP_TAG
from mnist_exp.tracking.records import RunRecord

WEIGHTS = "mnist_exp.weights_sha256"
# Metrics that differ from run to run, or from a job to the same run without a sweep.
_NO_RESULTS = re.compile(r"^(time|swept)/|images_per_second")
_LIMIT_SECONDS = 480  # twice what a job takes whose minute is up three times


class SweepFolder:
    """A working folder, and the commands that are given in it."""

    def __init__(self, folder: Path, environment: dict[str, str], uri: str) -> None:
        self.path = folder
        home = folder / "home"
        home.mkdir(exist_ok=True)
        self._started: list[Process] = []
        self.environment = environment | {"HOME": str(home), "XDG_CACHE_HOME": f"{home}/.cache"}
        if uri:
            self.environment["MLFLOW_TRACKING_URI"] = uri
        self._store = Store(resolve(uri or f"sqlite:///{folder}/mlflow.db"), "mnist")

    def start(self, *arguments: str) -> Process:
        """Starts a command in a process group of its own, as a shell does."""
        process = invoke.start(self.path, *arguments, env=self.environment, start_new_session=True)
        self._started.append(process)
        return process

    def end(self, process: Process, code: int) -> Done:
        """Waits for a command, whose exit code is known beforehand."""
        try:
            stdout, stderr = process.communicate(timeout=_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(process.communicate()) from None
        assert process.returncode == code, stderr
        assert "Traceback" not in stderr, stderr
        return Done(process.args, code, stdout, stderr)

    def train(self, *arguments: str, code: int = 0) -> Done:
        """Trains to the end."""
        return self.end(self.start("train", *arguments), code)

    def runs(self) -> list[RunRecord]:
        """Returns what MLflow has, without the parents of sweeps."""
        return [run for run in self._store.search() if not run.is_sweep]

    def parent(self) -> RunRecord:
        """Returns the only parent run."""
        (parent,) = (run for run in self._store.search() if run.is_sweep)
        return parent

    def jobs(self) -> dict[int, RunRecord]:
        """Returns number -> its run, of a sweep whose jobs ran once each."""
        runs = self.runs()
        jobs = {int(run.params[JOB_PARAM]): run for run in runs}
        assert len(jobs) == len({run.tags[KEY_TAG] for run in runs}) == len(runs)
        parent = self.parent()
        for run in runs:
            assert run.tags["mlflow.parentRunId"] == parent.run_id
            assert run.tags[SWEEP_TAG] == parent.name
        return dict(sorted(jobs.items()))

    def finished(self) -> dict[int, tuple[str, dict[str, float]]]:
        """Returns number -> digest of weights and metrics, of a sweep that finished as a whole."""
        jobs = self.jobs()
        assert {(run.status, run.outcome) for run in jobs.values()} == {("FINISHED", "finished")}
        return {number: self.results(run) for number, run in jobs.items()}

    def results(self, run: RunRecord) -> tuple[str, dict[str, float]]:
        """Returns the digest of a run's weights, and the metrics that these decide."""
        metrics = {
            name: value for name, value in run.metrics.items() if not _NO_RESULTS.search(name)
        }
        assert "test/accuracy" in metrics
        return run.tags[WEIGHTS], metrics

    def numbers(self) -> dict[str, int]:
        """Returns key -> number of the jobs that MLflow knows."""
        return {run.tags[KEY_TAG]: number for number, run in self.jobs().items()}

    def history(self, run: RunRecord, metric: str) -> dict[int, float]:
        """Returns epoch -> value, each epoch once."""
        points = self._store.client.get_metric_history(run.run_id, metric)
        assert len({point.step for point in points}) == len(points)
        return {point.step: point.value for point in points}

    def first_epochs(self, job_dir: Path) -> int:
        """Returns how often the first epoch of a job was trained."""
        lines = (job_dir / "journal.jsonl").read_text().splitlines()
        return sum('"val/accuracy"' in line and '"step": 1,' in line for line in lines)

    def tag(self, run: RunRecord, **tags: str) -> None:
        """Changes tags of a run in MLflow."""
        self._store.set_tags(run.run_id, {f"mnist_exp.{name}": text for name, text in tags.items()})

    def artifact(self, run: RunRecord, path: str) -> Path:
        """Returns a file of a run."""
        return artifact(self._store, run.run_id, path)

    def job_folders(self) -> set[str]:
        """Returns the names of all job folders."""
        return {p.name for p in (self.path / "outputs").glob("[!.]*")}

    def wait_for(self, *texts: str, process: Process) -> Path:
        """Waits until one journal holds all texts, and returns its job folder."""
        return waiting.for_journal(self.path, *texts, process=process)

    def worker_of(self, job_dir: Path) -> int:
        """Returns the id of the process that is at a job: it holds the lock of the journal."""
        (pid,) = self.workers_of(job_dir)
        return pid

    def workers_of(self, job_dir: Path) -> set[int]:
        """Returns the id of the process that is at a job, if it has not ended."""
        inode = str((job_dir / "journal.lock").stat().st_ino)
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        holders = {int(row[4]) for row in rows if row[1:2] == ["FLOCK"] and f":{inode}" in row[5]}
        return holders & set(self.processes())

    def processes(self) -> dict[int, str]:
        """Returns id -> command line of every process that a command here left."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink().is_relative_to(self.path):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it has ended, or is somebody else's
        return found

    def clear(self) -> dict[int, str]:
        """Ends what runs here still, and returns it."""
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            with process:
                pass
        return left

    def is_left_alone(self) -> bool:
        """Tells whether all processes have ended, as those of a killed sweep do."""
        return waiting.until(lambda: not self.processes(), what=self.processes)


@pytest.fixture(scope="session")
def new_folder(
    datasets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., SweepFolder]:
    """Makes sealed folders, for tests that share what a sweep left, or share a store."""
    cleared = ("MLFLOW_", "HYDRA_", "MNIST_EXP_", "RAY_", "SLURM_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(cleared)}
    environment |= {
        "MNIST_EXP_DATA": str(datasets),
        "COLUMNS": "200",
    }
    return lambda name, uri="", **more: SweepFolder(
        tmp_path_factory.mktemp(name), environment | more, uri
    )


@pytest.fixture
def folder(new_folder: Callable[..., SweepFolder]) -> Iterator[SweepFolder]:
    """A folder for one test, which leaves no process behind."""
    made = new_folder("sweep")
    yield made
    assert not made.clear()


# Four jobs of several epochs each; the last comes after others of another model and precision.
GRID = ["data=digits", "data.train_images=400", *SMOKE, "training.epochs=3", "training.threads=1",
        "training.batch_size=32", "model=tiny,seed_mlp", "training.precision=bfloat16,float32",
        "sweep.name=grid"]  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A sweep in peace, and what it had reached before any test went on with it."""

    folder: SweepFolder
    overrides: list[str]
    finished: dict[int, tuple[str, dict[str, float]]]
    numbers: dict[str, int]


@pytest.fixture(scope="session")
def grid(new_folder: Callable[..., SweepFolder]) -> Reference:
    """A grid of two models and two precisions."""
    folder = new_folder("grid")
    folder.train("-m", *GRID)
    return Reference(folder, GRID, folder.finished(), folder.numbers())
