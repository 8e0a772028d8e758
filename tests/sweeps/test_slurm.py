"""Sweeps on a real Slurm: what it cancels, preempts, queues again and forgets."""

import importlib.util
import os
import signal
import time

import pytest
import slurm
import waiting
from projects import MLP, SMOKE

pytestmark = [
    pytest.mark.long("sweeps on a real Slurm: cancelled, preempted, out of time, killed"),
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="needs extra slurm"),
]
SMALL = ["data=digits", *SMOKE, "model=mlp"]
LAUNCHER = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1"]
KILLED = '"outcome": "killed"'  # in a journal
SECONDS = 20.0  # for what takes a few, on a machine with other things to do


@pytest.fixture(scope="module")
def cluster():
    with slurm.cluster() as made:
        yield made


@pytest.fixture
def folder(cluster, new_folder):
    made = new_folder("slurm", **cluster.environment)
    yield made
    waiting.until(lambda: not cluster.jobs(), what=cluster.jobs)
    assert not made.clear()


def running(cluster):
    """Returns a batch job that runs."""
    return waiting.until(
        lambda: next((j for j, s in cluster.jobs().items() if s == "RUNNING"), ""),
        what=cluster.jobs,
    )


def ends_soon(look):
    began = time.monotonic()
    waiting.until(look)
    assert time.monotonic() - began < SECONDS


def check_killed(folder, number):
    run = folder.jobs()[number]
    assert (run.status, run.outcome) == ("KILLED", "killed")


def test_each_job_runs_once_and_as_it_does_in_sequence(folder, new_folder):
    folder.train("-m", *SMALL, *LAUNCHER, "seed=0,1,2,3")
    alone = new_folder("alone")
    alone.train("-m", *SMALL, "training.threads=1", "seed=0,1,2,3")
    assert folder.finished() == alone.finished()
    assert list(folder.finished()) == [0, 1, 2, 3]
    assert len(list(folder.path.glob("outputs/.submitit/*_0"))) == 1  # one array
    assert "all 4 jobs are done" in folder.train("-m", *SMALL, *LAUNCHER, "seed=0,1,2,3").stderr


def test_a_job_that_is_cancelled(cluster, folder):
    words = ["-m", *SMALL, *LAUNCHER, "training.epochs=150,151"]
    process = folder.start("train", *words, "hydra.launcher.array_parallelism=1")
    job_dir = folder.wait_for('"step": 3', process=process)
    cluster.call("scancel", running(cluster))
    ends_soon(lambda: KILLED in (job_dir / "journal.jsonl").read_text())
    ends_soon(lambda: waiting.for_line(process, "job 0 (epochs=150): killed: its process"))
    folder.end(process, 1)
    check_killed(folder, 0)
    folder.train(*words)
    assert list(folder.finished()) == [0, 1]
    assert folder.first_epochs(job_dir) == 1  # it went on


# Epochs that take a tenth of a second on any machine, so that a job outlasts a minute and not five.
WAITS = """
import time
from mnist_exp.extend import metric
@metric("waits")
def waits(probabilities, labels):
    time.sleep(0.1)
    return 0.0
"""


def test_a_job_whose_time_is_up(folder, new_folder):
    words = [*MLP, "metrics=[waits]", "training.epochs=600"]
    alone = new_folder("alone")
    for place in (folder.path, alone.path):
        (place / "waits.py").write_text(WAITS)
        (place / "pyproject.toml").write_text('[tool.mnist_exp]\ncomponents = "waits.py"\n')
    reference = alone.start("train", *words, "training.threads=1")
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5"]
    folder.train("-m", *words, *LAUNCHER, *limit)
    alone.end(reference, 0)
    check_stopped(folder)
    assert folder.finished()[0] == alone.results(*alone.runs())


def test_a_job_that_is_queued_again(cluster, folder, new_folder):
    words = [*SMALL, "training.epochs=60"]
    process = folder.start("train", "-m", *words, *LAUNCHER)
    folder.wait_for('"step": 3', process=process)
    cluster.call("scontrol", "requeue", running(cluster))
    folder.end(process, 0)
    check_stopped(folder)
    alone = new_folder("alone")
    alone.train(*words, "training.threads=1")
    assert folder.finished()[0] == alone.results(*alone.runs())


def test_a_job_that_leaves_its_place_to_another(cluster, folder):
    process = folder.start("train", "-m", *SMALL, "training.epochs=100", *LAUNCHER)
    folder.wait_for('"step": 3', process=process)
    cluster.call("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null",
                 "--wrap=sleep 1")  # fmt: skip
    folder.end(process, 0)
    check_stopped(folder)
    assert list(folder.finished()) == [0]


def test_interrupts(cluster, folder):
    words = ["-m", *SMALL, *LAUNCHER, "training.epochs=200", "seed=0,1,2,3"]
    process = start_two(folder, words, '"step": 2')
    os.killpg(process.pid, signal.SIGINT)
    waiting.for_line(process, "Ctrl-C again stops them now")
    ends_soon(lambda: "PENDING" not in cluster.jobs().values())
    os.killpg(process.pid, signal.SIGINT)
    folder.end(process, 130)
    assert not cluster.jobs()
    assert list(folder.jobs()) == [0, 1]
    check_killed(folder, 0)
    check_killed(folder, 1)
    process = start_two(folder, words, '"event": "resumed"')
    os.killpg(process.pid, signal.SIGINT)
    ends_soon(lambda: "PENDING" not in cluster.jobs().values())
    folder.end(process, 130)
    assert not cluster.jobs()
    assert list(folder.finished()) == [0, 1]


def test_a_sweep_that_is_killed_while_jobs_wait(cluster, folder):
    words = ["-m", *SMALL, *LAUNCHER, "training.epochs=20", "seed=0,1,2,3,4"]
    process = start_two(folder, words, '"step": 2')
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(cluster.jobs().values()).count("PENDING") == 3
    folder.train(*words)
    assert list(folder.finished()) == [0, 1, 2, 3, 4]


def test_what_slurm_does_not_take_is_told(folder):
    refused = folder.train("-m", *SMALL, *LAUNCHER, "hydra.launcher.partition=none", code=1)
    assert "Expected submitit to run jobs. Received: " in refused.stderr
    assert "invalid partition specified: none" in refused.stderr


def start_two(folder, words, mark):
    """Starts a sweep, until the journals of the two jobs that run hold a mark; others wait."""
    process = folder.start("train", *words)
    for number in (0, 1):
        folder.wait_for(f'"sweep.job": "{number}"', mark, process=process)
    return process


def check_stopped(folder):
    """Checks that the only job was stopped once at least, and went on from its checkpoint."""
    (run,) = folder.jobs().values()
    job_dir = folder.path / "outputs" / run.job_id
    assert KILLED in (job_dir / "journal.jsonl").read_text()
    assert folder.first_epochs(job_dir) == 1
