"""A job runs what was planned and checked, whatever YAML files and data have become since."""

import idx_files
from projects import SMOKE

OWN = "defaults: [mlp]\nhidden_units: [{}]\n"
SMALL = ["data=digits", *SMOKE, "training.epochs=12"]


def test_a_yaml_that_changes_meanwhile(folder):
    group = folder.path / "options" / "model"
    group.mkdir(parents=True)
    file = group / "ed.yaml"
    file.write_text(OWN.format(16))
    sweep = ["--config-dir", "options", "-m", *SMALL, "model=ed", "seed=0,1"]
    process = folder.start("train", *sweep)
    folder.wait_for('"step": 1', process=process)
    file.write_text(OWN.format(32))
    folder.end(process, 0)
    assert list(folder.finished()) == [0, 1]
    assert [run.params["model.hidden_units"] for run in folder.jobs().values()] == ["[16]"] * 2
    assert ": 2 jobs" in folder.train(*sweep, "--dry-run").stderr
    file.write_text(OWN.format(16))
    assert "all 2 jobs are done" in folder.train(*sweep, "--dry-run").stderr


def test_a_value_of_all_options_that_the_default_one_does_not_know(folder):
    """Hydra composes the default model, which has no hidden units, before its sweeper is called."""
    folder.train("-m", *SMALL, "model=mlp,seed_mlp", "model.hidden_units=[16]")
    jobs = folder.jobs().values()
    assert [run.params["model.hidden_units"] for run in jobs] == ["[16]"] * 2


def test_data_that_change_meanwhile(folder):
    write(folder.path, seed=0)
    own = ["data=idx", f"data.root={folder.path}", "data.validation_images=20", "model=mlp"]
    sweep = ["-m", *own, *SMOKE, "training.epochs=60", "training.batch_size=16"]
    process = folder.start("train", *sweep, "seed=0,1")
    folder.wait_for('"step": 1', process=process)
    write(folder.path, seed=1)
    ended = folder.end(process, 1)
    assert "Expected the data that this run began with" in ended.stderr
    assert [run.outcome for run in folder.jobs().values()] == ["finished", "failed"]
    again = folder.train(*sweep, "seed=0,1", code=2)
    assert "Expected the data that sweep sweep-" in again.stderr
    write(folder.path, seed=0)
    assert "1 of 2 done, 1 to do" in folder.train(*sweep, "seed=0,1", "--dry-run").stderr


def write(folder, *, seed):
    """Writes 100 images of noise for training, and as many for the test."""
    idx_files.write(
        folder, train=idx_files.noise(100, seed=seed), test=idx_files.noise(100, seed=9)
    )
