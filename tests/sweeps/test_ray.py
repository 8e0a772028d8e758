"""Sweeps on a Ray cluster of several nodes, some of which are killed or have nothing of ours."""

import importlib.util
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from projects import SMOKE
from ray_nodes import ray_nodes
from servers import MlflowServer
from waiting import for_line, until

import mnist_exp
from mnist_exp.tracking.names import KEY_TAG

PACKAGE = Path(mnist_exp.__file__).parent
RAY = ["-m", *SMOKE, "hydra/launcher=ray"]
GRID = [*RAY, "data=digits", "model=mlp", "training.epochs=20", "seed=range(0,8)"]

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs extra ray"),
    pytest.mark.long("a Ray cluster of three nodes, and its nodes killed"),
    pytest.mark.xdist_group("ray"),
]


@pytest.fixture
def nodes(folder):
    """A cluster, which the commands of `folder` find."""
    with ray_nodes() as cluster:
        folder.environment["RAY_ADDRESS"] = cluster.address
        yield cluster


def test_a_node_is_killed_and_every_job_finishes_once(folder, nodes, new_folder):
    nodes.join()
    nodes.join()
    process = folder.start("train", *GRID)
    # Three jobs are at work at once, as many as the cluster has cores.
    until(lambda: len(at_work(folder)) == 3, process=process)
    killed = {nodes.node_of(worker) for worker in at_work(folder)} - {0}
    nodes.kill(max(killed))
    folder.end(process, 0)
    finished = folder.finished()
    assert list(finished) == list(range(8))
    alone = new_folder("alone")
    local = [text for text in GRID if "launcher" not in text]
    alone.train(*local, "training.threads=1")
    assert alone.finished() == finished


def at_work(folder):
    """Returns the processes of jobs that have trained an epoch and not ended."""
    found = []
    for journal in folder.path.glob("outputs/*/journal.jsonl"):
        text = journal.read_text()
        if '"step": 1' in text and '"event": "end"' not in text.splitlines()[-1]:
            found += folder.workers_of(journal.parent)
    return found


def test_the_head_is_killed_and_the_same_command_goes_on(folder, nodes):
    process = folder.start("train", *GRID)
    until(lambda: any(run.outcome == "finished" for run in folder.runs()), process=process)
    nodes.kill(0)
    ended = folder.end(process, 1)
    assert "Expected the head of the Ray cluster to answer." in ended.stderr
    assert "the same command goes on" in ended.stderr
    refused = folder.train(*GRID, code=1)
    assert f"Expected a Ray cluster at {nodes.address}." in refused.stderr
    until(lambda: not folder.processes(), what=folder.processes)
    with ray_nodes() as others:
        folder.environment["RAY_ADDRESS"] = others.address
        on = folder.train(*GRID)
    assert "of 8 done, " in on.stderr
    assert list(folder.finished()) == list(range(8))


def test_ctrl_c_once_and_twice(folder, nodes):
    nodes.join()
    sweep = [*RAY, "data=digits", "model=mlp", "seed=range(0,4)", "training.epochs=600"]
    process = folder.start("train", *sweep)
    until(lambda: len(at_work(folder)) == 2, process=process)
    os.killpg(process.pid, signal.SIGINT)
    for_line(process, "Ctrl-C again stops them now")
    os.killpg(process.pid, signal.SIGINT)
    folder.end(process, 130)
    assert {run.outcome for run in folder.jobs().values()} == {"killed"}
    assert not at_work(folder)
    sweep = [*RAY, "data=digits", "model=mlp", "seed=range(4,8)", "training.epochs=60"]
    process = folder.start("train", *sweep)
    until(lambda: len(at_work(folder)) == 2, process=process)
    os.killpg(process.pid, signal.SIGINT)
    stopped = folder.end(process, 130)
    assert "with 2 jobs done; the same command runs the others" in stopped.stderr
    outcomes = [run.outcome for run in folder.runs() if run.params["training.epochs"] == "60"]
    assert outcomes == ["finished"] * 2


def is_at_ray(process):
    """Tells whether a command has connected to a cluster, by Ray's threads in it."""
    names = set()
    for file in Path("/proc", str(process.pid), "task").glob("*/comm"):
        with suppress(OSError):  # of a thread that has ended
            names.add(file.read_text().strip())
    return "worker.io" in names


def test_what_waits_behind_the_jobs_of_others_does_not_begin_after_ctrl_c(
    folder, nodes, new_folder
):
    nodes.join()
    others = new_folder("others")
    others.environment["RAY_ADDRESS"] = nodes.address
    sweep = [*RAY, "data=digits", "model=mlp", "training.epochs=600", "seed=0,1"]
    busy = others.start("train", *sweep)
    until(lambda: len(at_work(others)) == 2, process=busy)
    process = folder.start("train", *sweep)
    for_line(process, "2 jobs")
    until(lambda: is_at_ray(process), process=process)  # where both jobs wait
    os.killpg(process.pid, signal.SIGINT)
    for_line(process, "Ctrl-C again stops them now")
    os.killpg(busy.pid, signal.SIGINT)
    for_line(busy, "Ctrl-C again stops them now")
    os.killpg(busy.pid, signal.SIGINT)
    others.end(busy, 130)
    folder.end(process, 130)
    assert folder.jobs() == {}


@pytest.mark.skipif(os.getuid() != 0, reason="only root may hide folders from a process")
def test_a_node_without_folder_code_and_data(new_folder, nodes, tmp_path, datasets):
    server = MlflowServer(f"sqlite:///{tmp_path}/server.db", tmp_path)
    server.up()
    try:
        folder = new_folder("shared", server.uri)
        folder.environment["RAY_ADDRESS"] = nodes.address
        far = nodes.join(without=(folder.path.parent, PACKAGE, datasets))
        folder.train(*RAY, "data=mnist", "model=seed_mlp", "seed=0,1,2,3")
        finished = folder.finished()
        there = {run.job_id for run in folder.runs()} - folder.job_folders()
        assert len(finished) == 4
        assert 0 < len(there) < 4  # some ran far away, some here
        local = new_folder("local", f"sqlite:///{tmp_path}/local.db")
        local.train("-m", *SMOKE, "model=seed_mlp", "seed=0,1,2,3", "training.threads=1")
        assert local.finished() == finished
        # Killed there, a job is begun again, as the same run.
        sweep = [*RAY, "model=seed_mlp", "training.epochs=40", "seed=4,5"]
        process = folder.start("train", *sweep)
        until(lambda: len([r for r in folder.runs() if not r.outcome]) == 2, process=process)
        nodes.kill(far)
        folder.end(process, 0)
        runs = [run for run in folder.runs() if run.params["training.epochs"] == "40"]
        assert [run.outcome for run in runs] == ["finished", "finished"]
        assert len({run.tags[KEY_TAG] for run in runs}) == 2
        for run in runs:
            assert list(folder.history(run, "val/accuracy")) == list(range(1, 41))
    finally:
        server.down()


def test_a_store_that_no_other_machine_reaches_is_named(new_folder, nodes):
    folder = new_folder("alone")
    folder.environment["RAY_ADDRESS"] = nodes.address
    nodes.join(without=(folder.path.parent,))
    ended = folder.train(*RAY, "data=digits", "model=seed_mlp", "seed=0,1,2", code=1)
    assert "Expected a tracking server, since " in ended.stderr
    assert "does not have the folder of the sweep" in ended.stderr
