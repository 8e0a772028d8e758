"""A sweep that stands in a YAML file: given by name, extended on the command line."""

import shlex
from pathlib import Path

import pytest
from invoke import here

FILE = """# @package _global_
defaults:
  - override /data: digits
  - override /training: smoke
  - override /hydra/launcher: parallel

hydra:
  mode: MULTIRUN
  launcher:
    n_jobs: 1
  sweeper:
    params:
      model: seed_mlp,mlp
      optimizer.learning_rate: 0.01,0.001
"""
SEARCH = """# @package _global_
defaults:
  - override /data: digits
  - override /training: smoke
  - override /model: seed_mlp
  - override /search: random

search:
  trials: 3
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      optimizer.learning_rate: tag(log,interval(1e-4,1e-1))
"""


def test_a_grid_and_a_search_by_name(folder):
    options = folder.path / "options" / "experiment"
    options.mkdir(parents=True)
    (options / "rates.yaml").write_text(FILE)
    (options / "explored.yaml").write_text(SEARCH)
    own = ["--config-dir", "options"]
    launcher = folder.train(*own, "experiment=rates", "--cfg", "hydra", "-p", "hydra.launcher")
    assert "JoblibLauncher\nn_jobs: 1\n" in launcher.stdout
    plan = folder.train(*own, "experiment=rates", "seed=0,1", "--dry-run")
    assert ": 8 jobs" in plan.stderr
    done = folder.train(*own, "experiment=rates", "optimizer.learning_rate=0.01")
    assert ": 2 jobs" in done.stderr
    assert list(folder.finished()) == [0, 1]
    # The winner's command is a run of its own, although its file says that it is a sweep.
    _, verb, *again = shlex.split(done.stdout.splitlines()[-1])
    assert verb == "train"
    assert "whose jobs are not planned" in folder.train(*again, "--dry-run", code=2).stderr
    assert (
        "random search, 3 trials" in folder.train(*own, "experiment=explored", "--dry-run").stderr
    )


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("{model: {dropout: '0,1'}}", "Expected lines of KEY: VALUES. Received: {"),
        ("[seed=0]", "Expected lines of KEY: VALUES. Received: ["),
        ("seed=0", "Expected lines of KEY: VALUES. Received: "),
        ("{seed: '0,1,'}", "seed: Expected a whole number >= 0"),
        ("{description: 'Größe,klein'}", "description: Expected text. Received: Größe,klein"),
        ("{model: 'mlp,cmn'}", "Received: cmn. Did you mean 'cnn'?"),
    ],
)
def test_what_is_no_space_is_refused_in_words(params, words, sealed_environment):
    file = sealed_environment / "options" / "experiment" / "own.yaml"
    file.parent.mkdir(parents=True)
    sweep = f"hydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {params}\n"
    file.write_text(f"# @package _global_\n{sweep}", encoding="utf-8")
    done = here("train", "--config-dir", "options", "experiment=own", "data=digits", "--dry-run")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert not Path("outputs").exists()
