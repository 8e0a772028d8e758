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


def test_jobs_have_folders_of_their_own(sealed_environment):
    refused = here("train", "-m", "data=digits", "seed=1,2", "hydra.sweep.subdir=${hydra.job.num}")
    assert refused.returncode == 2
    assert "Expected no hydra.sweep.subdir: each job has a folder of its own" in refused.stderr
