"""The launchers that go to more machines, on this one: a real local Ray, submitit's local executor.

Ray's last words and submitit's logs are theirs; what counts is the ledger, as with any launcher.
"""

import importlib.util
import tempfile

import pytest
from projects import SMOKE

SMALL = ["data=digits", *SMOKE, "model=seed_mlp", "seed=0,1"]


def check_sweep(folder, *launcher):
    folder.train("-m", *SMALL, *launcher)
    assert list(folder.finished()) == [0, 1]
    assert folder.parent().outcome == "finished"
    assert folder.is_left_alone()
    assert "all 2 jobs are done" in folder.train("-m", *SMALL, *launcher, "--dry-run").stderr


@pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is None, reason="needs extra ray"
)
def test_a_local_ray(folder):
    # A short path: Ray puts sockets there, whose names have a limit.
    with tempfile.TemporaryDirectory(prefix="ray") as place:
        init = "+hydra.launcher.ray.init"
        check_sweep(folder, "hydra/launcher=ray", f"{init}.num_cpus=2", f"{init}._temp_dir={place}")


@pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None,
    reason="needs extra slurm",
)
def test_the_local_executor_of_submitit(folder):
    check_sweep(folder, "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5")
    assert list(folder.path.glob("outputs/.submitit/*/*_log.err"))


def test_a_sweeper_that_does_not_plan_gets_its_jobs_run(folder):
    words = ("hydra/sweeper=basic", "data=digits", *SMOKE, "model=seed_mlp")
    done = folder.train("-m", *words, "seed=1,2", "description='of ${seed}'", "hydra.mode=RUN")
    assert done.stderr.count("epoch 1/1") == 2
    assert "Traceback" not in done.stderr
    found = [(run.outcome, run.params["seed"], run.params["description"]) for run in folder.runs()]
    assert found == [("finished", "2", "of 2"), ("finished", "1", "of 1")]
