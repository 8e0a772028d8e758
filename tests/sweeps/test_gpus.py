"""Jobs and GPUs, which are pretended: a job finds its own before it imports TensorFlow."""

import os
import sys
from collections import defaultdict
from contextlib import closing
from types import SimpleNamespace

import pytest
from projects import SMOKE

from mnist_exp.core import cuda, devices, processor
from mnist_exp.sweeps.execute import worker
from mnist_exp.sweeps.execute.engines import engine
from mnist_exp.sweeps.execute.engines.processes import Processes
from mnist_exp.sweeps.execute.engines.ray_cluster import RayCluster

# Python imports it at its start; it notes what GPUs a process has when it looks for TensorFlow.
WITNESS = """
import os, sys
class Witness:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            with open(os.environ["WITNESS"], "a") as file:
                file.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}\\n")
sys.meta_path.insert(0, Witness())
"""


def seen_by_workers(folder, *launcher):
    """Runs a sweep of four jobs where GPUs 4 and 7 are visible.

    Returns:
        What each worker had in CUDA_VISIBLE_DEVICES when it imported TensorFlow.
    """
    (folder.path / "sitecustomize.py").write_text(WITNESS)
    file = folder.path / "seen.txt"
    paths = [str(folder.path), *filter(None, [os.environ.get("PYTHONPATH")])]
    folder.environment |= {
        "CUDA_VISIBLE_DEVICES": "4,7",
        "PYTHONPATH": os.pathsep.join(paths),
        "WITNESS": str(file),
    }
    small = ["data=digits", *SMOKE, "model=mlp", "seed=range(0,4)"]
    process = folder.start("train", "-m", *small, *launcher)
    folder.end(process, 0)
    assert list(folder.finished()) == [0, 1, 2, 3]
    seen = defaultdict(set)
    for line in file.read_text().splitlines():
        pid, named = line.split()
        seen[int(pid)].add(named)
    seen.pop(process.pid, None)
    return sorted(map(sorted, seen.values()))


def has(_):
    """Returns what a worker has of the variable, and whether it has imported TensorFlow."""
    return os.environ[cuda.VARIABLE], "tensorflow" in sys.modules


@pytest.mark.parametrize(("slots", "seen"), [(2, {"4", "7"}), (1, {"4,7"})])
def test_each_process_has_a_gpu_of_its_own_and_a_single_one_has_all(monkeypatch, slots, seen):
    monkeypatch.setenv(cuda.VARIABLE, "4,7")
    monkeypatch.setattr(worker, "work", has)
    started = Processes(slots)
    task = SimpleNamespace(
        config=SimpleNamespace(training=SimpleNamespace(threads=1, device="auto"))
    )
    with closing(started):
        jobs = [started.submit(task) for _ in range(slots)]
        assert {job.result() for job in jobs} == {(named, False) for named in seen}


@pytest.mark.long("a real sweep with a GPU for each job")
def test_each_of_two_jobs_has_a_gpu_of_its_own(folder):
    launcher = ("hydra/launcher=parallel", "hydra.launcher.n_jobs=2")
    assert seen_by_workers(folder, *launcher) == [["4"], ["7"]]


@pytest.mark.long("a real sweep with all GPUs for its job")
def test_a_single_job_has_all_gpus(folder):
    assert seen_by_workers(folder) == [["4,7"]]


def test_more_jobs_than_gpus_share_them_in_turn(monkeypatch):
    monkeypatch.setenv(cuda.VARIABLE, "4,7")
    assert [worker._gpu for worker in Processes(3)._workers] == ["4", "7", "4"]
    monkeypatch.setenv(cuda.VARIABLE, "")
    assert [worker._gpu for worker in Processes(2)._workers] == [None, None]


@pytest.mark.parametrize(
    ("gpus", "jobs", "slots"),
    [(3, -1, 3), (3, -2, 2), (1, -1, 1), (1, -2, 1), (3, 5, 5), (0, -1, 6), (0, -2, 5), (0, 2, 2)],
)
def test_as_many_jobs_as_gpus_that_tensorflow_lists_else_as_cores(monkeypatch, gpus, jobs, slots):
    monkeypatch.setattr(processor, "cores", lambda: 6)
    monkeypatch.setattr(devices, "usable", lambda: list(range(gpus)))
    launcher = {"_target_": "hydra_plugins.hydra_joblib_launcher.JoblibLauncher", "n_jobs": jobs}
    assert engine(launcher).slots == slots


@pytest.mark.parametrize(
    ("needed", "slots"),
    [({"num_gpus": 1}, 3), ({"num_gpus": 0.5}, 6), ({"num_gpus": 1, "num_cpus": 4}, 2), ({}, 19)],
)
def test_ray_counts_the_gpus_of_its_nodes(needed, slots):
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 8.0}]
    assert RayCluster({"remote": needed})._fitting(nodes) == slots
