"""Comparisons of runs that never ran."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_runs import Curves, sweep

from mnist_exp.commands.compare.comparison import Comparison, compare
from mnist_exp.commands.compare.selection import Choice
from mnist_exp.commands.compare.significance import Looks


@pytest.fixture
def curves() -> Curves:
    return Curves()


@pytest.fixture
def compared(curves) -> Callable[..., Comparison]:
    """Compares runs by what they predicted."""

    def make(runs, predictions, left_out=(), looks=2, last=False, **chosen: bool) -> Comparison:
        choice = Choice(curves, list(runs), list(left_out), dict(predictions), **chosen)
        return compare(choice, Looks(looks, last=last))

    return make


@pytest.fixture
def three_by_five(curves, compared) -> Comparison:
    """Three models by five seeds, with learning curves."""
    runs, predictions = sweep({"cnn": 0.97, "mlp": 0.94, "seed_mlp": 0.9})
    for place, run in enumerate(runs):
        for metric in ("train/loss", "val/loss"):
            losses = {epoch: (1 + place / 10) / epoch**2 for epoch in range(1, 6)}
            curves.values[run.run_id, metric] = losses
        for metric in ("train/accuracy", "val/accuracy"):
            values = {epoch: 1 - (0.1 + place / 100) / epoch for epoch in range(1, 6)}
            curves.values[run.run_id, metric] = values
    return compared(runs, predictions)


@pytest.fixture
def artifacts(sealed_environment) -> Path:
    """A folder of artifacts of runs on data=digits."""
    folder = sealed_environment / "mlruns" / "artifacts"
    (folder / "config").mkdir(parents=True)
    config = {
        "seed": 0,
        "data": {"name": "digits", "validation_images": 200, "train_images": None},
        "training": {"threads": 1},
    }
    (folder / "config" / "resolved.yaml").write_text(yaml.safe_dump(config))
    return folder
