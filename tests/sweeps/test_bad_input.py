"""Sweeps that cannot be run: one clear paragraph, exit code 2, and nothing is made."""

import pytest
from projects import SMOKE

SMALL = ["data=digits", *SMOKE, "model=seed_mlp"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "search=random"], ["space"]),
        (
            ["-m", "search=random", "optimizer.learning_rate=tag(log,interval(0,0.1))"],
            ["optimizer.learning_rate", "log", "0"],
        ),
        (
            ["-m", "optimizer.learning_rate=interval(0.001,0.1)"],
            ["optimizer.learning_rate", "search="],
        ),
        (["search=random", "seed=0"], ["-m", "search=random"]),
        (["-m", "seed=0,1", "tracking.uri=sqlite:////proc/self/mlflow.db"], ["can be written"]),
        (
            ["-m", "seed=0,-1", "training.epochs=0,1", "optimizer=adma,sgd"],
            ["seed: Expected", "training.epochs: Expected", "Did you mean 'adam'?"],
        ),
        (
            ["-m", "search=tpe", "search.trails=3", "optimizer.learning_rate=interval(2,1)"],
            ["Did you mean 'search.trials'?", "whose first end is below"],
        ),
        (["-m", "model=glob(resnet*)"], ["model", "resnet*"]),
        (
            ["-m", "search=tpe", "training.batch_size=tag(log,interval(32,128))"],
            [
                "has 1 problem",
                "Received: tag(log,interval(32,128)).",
                "Write 'training.batch_size=tag(log,int(interval(32,128)))'.",
            ],
        ),
        (
            ["-m", "model=mlp,cnn", "model.hidden_units=[8],[16]"],
            ["Received: a key of mlp.", "those options of model alone that have this key"],
        ),
        (["-m", "seed=0,1", "training.threads=1,2"], ["training.threads", "no part of what a job"]),
        (["-m", "seed=0,1", "sweep.name=a/b c"], ["sweep.name", "letters, digits, '.'", "null"]),
        (
            ["-m", "seed=0,1", "hydra/launcher=ray", "+hydra.launcher.ray.remote.memory=2GB"],
            ["hydra.launcher.ray.remote.memory", "in bytes", "Received: 2GB"],
        ),
    ],
    ids=[
        "empty",
        "log",
        "interval",
        "no-m",
        "read-only",
        "several",
        "search",
        "glob",
        "whole",
        "option",
        "threads",
        "name",
        "resources",
    ],
)
def test_refused(arguments, words, folder):
    refused = folder.train(*SMALL, *arguments, code=2)
    assert all(word in refused.stderr for word in words), refused.stderr
    assert refused.stdout == ""
    assert [path.name for path in folder.path.iterdir()] == ["home"]


def test_a_dry_run_makes_nothing(folder):
    dry = folder.train(*SMALL, "-m", "--dry-run", "seed=0,0,1")
    assert ": 2 jobs" in dry.stderr
    assert "1 more would repeat one of these" in dry.stderr
    plan = ["job  seed  state", "  0  0     to do", "  1  1     to do"]
    assert dry.stdout.splitlines() == plan
    assert [path.name for path in folder.path.iterdir()] == ["home"]


def test_a_dry_run_tells_what_is_at_work_elsewhere(folder):
    sweep = [*SMALL, "-m", "seed=0,1", "training.epochs=5000"]
    process = folder.start("train", *sweep)
    folder.wait_for('"step": 1', process=process)
    states = [line.split()[2:] for line in folder.train(*sweep, "--dry-run").stdout.splitlines()]
    assert states == [["state"], ["running"], ["to", "do"]]
    process.kill()
    assert folder.is_left_alone()


def test_a_dry_run_of_halving_tells_its_rounds(folder):
    halving = [*SMALL, "-m", "--dry-run", "search=halving", "model.dropout=interval(0,0.5)"]
    three = folder.train(*halving, "training.epochs=9", "search.trials=9", "seed=0,1")
    rounds = (
        "9 trials with 1 epoch, then the best 3 with 3, then the best with 9, each with 2 seeds"
    )
    assert rounds in three.stderr
    one = folder.train(*halving, "training.epochs=2", "search.trials=4")
    assert "no second round: for one, training.epochs has to be at least 3" in one.stderr


def test_a_dry_run_of_a_search_knows_no_jobs(folder):
    rates = "optimizer.learning_rate=interval(0.001,0.1)"
    dry = folder.train(*SMALL, "-m", "--dry-run", "search=random", rates)
    assert "random search, 20 trials" in dry.stderr
    assert dry.stdout == ""
    two = folder.train(*SMALL, "-m", "--dry-run", "search=random", "model.dropout=0,0.5")
    assert "random search, 2 trials" in two.stderr  # there are no more


@pytest.mark.xdist_group("grid")
def test_a_grid_of_that_name_is_no_search(grid):
    before = grid.folder.job_folders()
    rates = "optimizer.learning_rate=interval(0.001,0.1)"
    refused = grid.folder.train(*SMALL, "-m", "sweep.name=grid", "search=tpe", rates, code=2)
    assert "it was a grid, and is now a search" in refused.stderr
    assert grid.folder.job_folders() == before
