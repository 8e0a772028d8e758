"""What sets a job apart, as metrics: numbers, and nothing else."""

import json

from invoke import here
from projects import SMALL

from mnist_exp.runs.swept import swept_numbers
from mnist_exp.tracking.journal.events import Start
from mnist_exp.tracking.names import OVERRIDES_TAG


def started(params, tags):
    return Start(0, "job", "run", "mnist", "sqlite://", params, tags, "", None, {})


def test_numbers_that_a_sweep_varies_are_metrics():
    params = {
        "optimizer.learning_rate": "0.001",
        "model.filters": "[32, 64]",
        "model.batch_norm": "true",
        "training.early_stopping_patience": "null",
        "training.epochs": "3",
        "seed": "1",
        "model.dropout": "0.5",
    }
    own = [f"{key}=as typed" for key in params if key != "model.dropout"]
    start = started(params, {OVERRIDES_TAG: json.dumps(["model=cnn", *own])})
    assert swept_numbers(start) == {
        "swept/optimizer.learning_rate": 0.001,
        "swept/training.epochs": 3,
    }


def test_a_run_of_no_sweep_has_none():
    assert swept_numbers(started({"seed": "1"}, {})) == {}


def test_a_job_is_reproduced_without_its_sweep(sealed_environment):
    here("train", "-m", *SMALL, "optimizer.learning_rate=0.01,0.02", check=True)
    assert "Verdict: identical." in here("reproduce", "latest", check=True).stdout
