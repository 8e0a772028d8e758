"""A grid of 24 short trainings by `mnist-exp train -m`, and by a shell loop over a plain script.

Both train the tutorial's network for 2 epochs on the same 55,000 images of MNIST's training set,
validate, test, and record it in an MLflow store of SQLite with the model.
"""

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measuring import MNIST_EXP, Line, progress, run

from mnist_exp import data
from mnist_exp.config.compose import compose

PLAIN_KERAS = str(Path(__file__).with_name("plain_keras.py"))
SEQUENTIAL_TIMES, PARALLEL_TIMES = 5.0, 7.0  # faster than the loop
LAUNCHERS = ("sequential", "parallel")
QUICK_TRAININGS = 4  # of the loop


class Grid(NamedTuple):
    """Which trainings."""

    learning_rates: tuple[str, ...] = ("0.0003", "0.001", "0.003")
    seeds: int = 8
    epochs: int = 2

    @property
    def size(self) -> int:
        """How many trainings."""
        return len(self.learning_rates) * self.seeds

    def loop(self) -> Iterable[tuple[str, ...]]:
        """Yields the arguments of the plain script, one training after the other."""
        for rate, seed in itertools.product(self.learning_rates, range(self.seeds)):
            yield "--learning-rate", rate, "--seed", str(seed), "--epochs", str(self.epochs)

    def overrides(self) -> tuple[str, ...]:
        """Returns the same as one sweep."""
        return (
            "experiment=seed_baseline",
            f"training.epochs={self.epochs}",
            f"optimizer.learning_rate={','.join(self.learning_rates)}",
            f"seed=range(0,{self.seeds})",
        )


def measure_grid(folder: Path, runs: int, grid: Grid, *, quick: bool) -> list[Line]:
    """Measures the loop, the sequential and the parallel sweep in turn.

    Args:
        folder: an empty one.
        runs: how often each.
        grid: the trainings.
        quick: whether the loop stops after a few trainings, from which the others are estimated.

    Returns:
        Lines of seconds and of ratios.
    """
    images = folder / "mnist.npz"
    write_images(images)
    trainings = min(grid.size, QUICK_TRAININGS) if quick else grid.size
    loops: list[float] = []
    sweeps: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
    for number in range(runs):
        loops.append(loop_seconds(fresh(folder, f"loop-{number}"), images, grid, trainings))
        progress(f"loop, {number + 1} of {runs}: {loops[-1]:.0f} s")
        for launcher, seconds in sweeps.items():
            command = (MNIST_EXP, "train", "-m", *grid.overrides(), f"hydra/launcher={launcher}")
            seconds.append(run(command, fresh(folder, f"{launcher}-{number}")).seconds)
            progress(f"{launcher}, {number + 1} of {runs}: {seconds[-1]:.0f} s")
    scaled = "" if trainings == grid.size else f" ({trainings} run)"
    lines = [Line(f"{grid.size} trainings by a loop{scaled}", "s", loops)]
    for (launcher, seconds), aim in zip(
        sweeps.items(), (SEQUENTIAL_TIMES, PARALLEL_TIMES), strict=True
    ):
        ratios = [loop / own for loop, own in zip(loops, seconds, strict=True)]
        lines += [
            Line(f"  train -m, {launcher}", "s", seconds),
            Line("    times faster", "x", ratios, aim=aim),
        ]
    return lines


def loop_seconds(folder: Path, images: Path, grid: Grid, trainings: int) -> float:
    """Returns how long a shell loop takes; the first training makes the store, as it does there."""
    seconds = [
        run((sys.executable, PLAIN_KERAS, "--images", str(images), *arguments), folder).seconds
        for arguments in itertools.islice(grid.loop(), trainings)
    ]
    first, others = seconds[0], seconds[1:] or seconds
    return first + sum(others) / len(others) * (grid.size - 1)


def write_images(file: Path) -> None:
    """Writes MNIST as keras.datasets has it, from wherever mnist_exp finds it."""
    config = compose([]).config
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    np.savez(
        file,
        x_train=np.concatenate([splits.train.images, splits.validation.images]),
        y_train=np.concatenate([splits.train.labels, splits.validation.labels]),
        x_test=splits.test.images,
        y_test=splits.test.labels,
    )


def fresh(folder: Path, name: str) -> Path:
    """Returns a new folder."""
    new = folder / name
    new.mkdir()
    return new
