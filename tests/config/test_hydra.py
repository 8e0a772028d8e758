"""What Hydra and its launchers raise, in words."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from invoke import here
from projects import SMOKE

from mnist_exp.config.compose import Composer
from mnist_exp.config.hydra import config_folder, given_flags, hydra_errors
from mnist_exp.core.errors import ExperimentError


def test_processes_that_cannot_start_are_no_folder_that_cannot_be_made():
    problem = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # as fork has it
    words = r"start the processes.*temporarily unavailable"
    with pytest.raises(ExperimentError, match=words), hydra_errors():
        raise problem


def test_the_flags_that_a_config_was_composed_with_are_given_again(sealed_environment):
    shutil.copytree(config_folder(), "own/conf")
    Path("own/conf/other.yaml").write_text("defaults:\n  - config\n  - _self_\nseed: 78\n")
    Path("more").mkdir()
    cfg, config = Composer("more", "other", "own/conf").checked([])
    assert config.seed == 78
    again = ["--config-path=own/conf", "--config-dir=more", "--config-name=other"]
    assert sorted(given_flags(cfg.hydra)) == sorted(again)
    assert given_flags(Composer().checked([])[0].hydra) == []
    shown = here("train", "--config-path", "own/conf", "--config-name=other", "--cfg", "job")
    assert "seed: 78\n" in shown.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hydra: null", "Leave `hydra:` out of that file, or write keys below it."),
        ("hydra:\n  sweeper: null", "hydra.sweeper: Expected a section of keys. Received: nothing"),
    ],
)
def test_a_section_of_hydras_that_is_null_is_told(sealed_environment, text, said):
    Path("own/experiment").mkdir(parents=True)
    Path("own/experiment/mine.yaml").write_text(f"# @package _global_\n{text}\n")
    for multirun in ([], ["-m"]):
        refused = here("train", *multirun, "--config-dir=own", "experiment=mine", "data=digits")
        assert refused.returncode == 2
        assert said in refused.stderr


def test_an_interpolation_within_another_is_read_by_all_commands(sealed_environment, monkeypatch):
    monkeypatch.setenv("RATE", "0.25")
    nested = "optimizer.learning_rate=${oc.decode:${oc.env:RATE}}"
    shown = here("train", nested, "--cfg", "job", "--resolve", "--package=optimizer", check=True)
    assert "learning_rate: 0.25\n" in shown.stdout
    several = here("train", "-m", "seed=${oc.decode:${oc.env:RATE}},2", "--dry-run")
    assert several.returncode == 2  # as Hydra has it
    small = ("data=digits", *SMOKE, "model=seed_mlp")
    sweep = here("train", "-m", *small, nested, "seed=1", check=True)
    assert "[1 of 1]" in sweep.stderr


def test_options_on_a_searchpath_can_be_chosen(sealed_environment):
    Path("shared/model").mkdir(parents=True)
    Path("shared/model/own.yaml").write_text(
        "name: mlp\nhidden_units: [11]\nactivation: relu\ndropout: 0\n"
    )
    place = f"file://{Path('shared').absolute()}"
    Path("main").mkdir()
    text = f"defaults: [config, _self_]\nhydra:\n  searchpath: ['{place}']\n"
    Path("main/top.yaml").write_text(text)
    typed = f"hydra.searchpath=[{place}]"
    for given in ([typed], ["--config-dir=main", "--config-name=top"]):
        planned = here("train", "-m", *given, "model=own,mlp", "--dry-run", check=True)
        assert "0  own " in planned.stdout
    cfg, config = Composer().checked([typed, "model=own"])
    assert config.model.options()["hidden_units"] == (11,)
    assert given_flags(cfg.hydra) == [typed]
    refused = here("train", "-m", "hydra.searchpath=[nowhere]", "seed=1,2", "--dry-run")
    assert refused.returncode == 2
    assert "hydra.searchpath: Expected folders of configs. Received: nowhere." in refused.stderr
    Path("shared/model/cnn.yaml").write_text("name: mlp\n")
    hiding = here("train", typed, "data=digits")
    assert "shared/model/cnn.yaml, which a file of mnist-exp hides" in hiding.stderr


def test_a_space_in_a_file_is_resolved_once_as_hydra_does(sealed_environment, monkeypatch):
    Path("own/experiment").mkdir(parents=True)
    Path("own/experiment/space.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '${oc.env:SEEDS}'}}}"
    )
    command = ("train", "--config-dir=own", "experiment=space", "--dry-run")
    refused = here(*command)
    assert refused.returncode == 2
    assert "hydra.sweeper.params.seed: Expected a value that resolves" in refused.stderr
    monkeypatch.setenv("SEEDS", "3,5")
    assert here(*command, check=True).stderr.startswith("Sweep sweep-")
    assert " 2 jobs" in here(*command).stderr


def test_what_hydras_grammar_takes_in_quotes_only_is_shown_as_it_runs(sealed_environment):
    Path("own/model").mkdir(parents=True)
    shutil.copy(config_folder() / "model" / "mlp.yaml", "own/model/größe.yaml")
    command = ("train", "--config-dir=own", "model=größe", "--cfg=job", "--package=model")
    assert "name: mlp\n" in here(*command, check=True).stdout
    both = here("train", "-m", "seed=1,2", "--cfg=job")
    assert (both.returncode, "Expected --cfg without -m" in both.stderr) == (2, True)


def test_a_key_that_is_no_text_is_told_with_its_file(sealed_environment):
    Path("own/model").mkdir(parents=True)
    Path("own/model/none.yaml").write_text("null: 3\n")
    refused = here("train", "--config-dir=own", "model=none")
    assert refused.returncode == 2
    assert "own/model/none.yaml has a key that is no text" in refused.stderr


def test_jobs_have_folders_of_their_own(sealed_environment):
    refused = here("train", "-m", "data=digits", "seed=1,2", "hydra.sweep.subdir=${hydra.job.num}")
    assert refused.returncode == 2
    assert "Expected no hydra.sweep.subdir: each job has a folder of its own" in refused.stderr
