"""Nothing is chosen by test images: with others in their place, every choice is the same."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import idx_files
import pytest
from invoke import mnist_exp
from projects import SMOKE

from mnist_exp import data
from mnist_exp.data import Split
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.read.experiment import Experiment

IDX = ["data=idx", "data.root=images", "data.validation_images=100", *SMOKE, "model=seed_mlp",
       "training.batch_size=32"]  # fmt: skip
RATES = "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))"
# All that chooses: weights, where to stop and when to answer; trials, and the best of all.
CHOOSING = {
    "weights": ["training.epochs=12", "training.early_stopping_patience=2", "ensemble.members=2",
                "optimizer.learning_rate=0.03", "schedule=constant"],
    "halving": ["-m", "search=halving", "search.trials=3", "training.epochs=3", RATES],
}  # fmt: skip


def write_images(folder: Path, shift: int) -> None:
    """Writes real digits as four IDX files; what the test images show is off by `shift`."""
    splits = data.load("digits", seed=0, validation_images=0, train_images=600)
    others = Split(splits.test.images, (splits.test.labels + shift) % 10)
    idx_files.write(folder, train=splits.train, test=others)


def chosen(folder: Path, command: Sequence[str]) -> tuple[list[object], list[float]]:
    """Returns all that was chosen, and what was right on the test images."""
    done = mnist_exp(folder, "train", *IDX, *command)
    assert done.returncode == 0, done.stderr
    experiment = Experiment(resolve(f"sqlite:///{folder}/mlflow.db"), "mnist")
    runs = experiment.runs()
    apart = ("test/", "time/", "images_per_second")
    choices = [
        {
            "params": {k: v for k, v in run.params.items() if k != "data.root"},
            "weights": run.tags.get("mnist_exp.weights_sha256"),
            "outcome": run.outcome,
            "best": run.run_id == experiment.best().run_id,
            **{k: v for k, v in run.metrics.items() if not k.startswith(apart)},
        }
        for run in runs
    ]
    compared = mnist_exp(folder, "compare", "--csv", check=True).stdout
    ranked = [row["val_accuracy"] for row in csv.DictReader(io.StringIO(compared))]
    winner = done.stdout.partition("The winner again")[2]
    tested = [run.metrics["test/accuracy"] for run in runs if "test/accuracy" in run.metrics]
    return [*choices, ranked, winner], tested


@pytest.mark.parametrize("what", CHOOSING)
def test_other_test_images_change_no_choice(what, sealed_environment):
    found = []
    for name, shift in (("as they are", 0), ("mislabelled", 1)):
        folder = sealed_environment / name
        write_images(folder / "images", shift)
        found.append(chosen(folder, CHOOSING[what]))
    (choices, accuracies), (others, misled) = found
    assert max(misled) < max(accuracies) / 2
    assert others == choices
