"""Best validation accuracy against compute, for each search, on the same space and budget.

Compute is counted in epochs trained and in seconds of fit. A search arrives when the best config
that has finished is as good as what the random search ends with, in the median of the repeats.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import NamedTuple

from measuring import MNIST_EXP, Line, progress, run

from mnist_exp.sweeps import records
from mnist_exp.sweeps.results import objective
from mnist_exp.tracking import Store, location

SHARE = 1 / 3  # of the random search's compute
NAME = "search"
EXPERIMENT = "mnist"  # MLflow's, of conf/tracking
SPACE = (
    "model=mlp",
    "model.hidden_units=[32],[128],[512],[128,128],[512,256]",
    "model.dropout=interval(0,0.6)",
    "optimizer.learning_rate=tag(log,interval(1e-4,1e-1))",
    "training.batch_size=32,64,128,256,512",
    "augmentation=none",
    "training.precision=float32",
)


class Budget(NamedTuple):
    """What each search may spend: the epochs of all its trials, if none is pruned, are the same."""

    train_images: int = 5000
    epochs: int = 9
    trials: int = 18
    first_round: int = 54  # of halving: 54 trials of 1 epoch, 18 of 3, 6 of 9

    def searches(self) -> dict[str, tuple[str, ...]]:
        """Returns the overrides of each search."""
        trials = f"search.trials={self.trials}"
        return {
            "random": ("search=random", trials),
            "tpe, median pruner": ("search=tpe", "search.pruner=median", trials),
            "halving": ("search=halving", f"search.trials={self.first_round}"),
        }


class Progress(NamedTuple):
    """How far a search was when a trial of it ended."""

    epochs: float  # trained until then
    fit_seconds: float  # spent until then
    best: float  # validation accuracy, 0-1; -inf before a trial has finished


def measure_searches(folder: Path, repeats: int, budget: Budget) -> list[Line]:
    """Runs the searches in turn, with another seed in each repeat.

    Args:
        folder: an empty one.
        repeats: how often.
        budget: of each search.

    Returns:
        Lines of accuracies, epochs, seconds and shares.
    """
    found: dict[str, list[list[Progress]]] = {name: [] for name in budget.searches()}
    for repeat in range(repeats):
        for name, overrides in budget.searches().items():
            place = folder / f"{overrides[0].partition('=')[2]}-{repeat}"
            place.mkdir()
            found[name].append(explore(place, repeat, (*overrides, *lengths(budget))))
            last = found[name][-1][-1]
            progress(
                f"{name}, {repeat + 1} of {repeats}: {100 * last.best:.2f} % by {last.epochs} "
                f"epochs in {last.fit_seconds:.0f} s of fit"
            )
    target = median(steps[-1].best for steps in found["random"])
    epochs = median(steps[-1].epochs for steps in found["random"])
    seconds = median(steps[-1].fit_seconds for steps in found["random"])
    lines = []
    for name, repeated in found.items():
        limit = None if name == "random" else SHARE
        ends = [steps[-1] for steps in repeated]
        arrivals = [arrival(steps, target) for steps in repeated]
        lines += [
            Line(f"{name}: best validation accuracy", "%", [100 * end.best for end in ends]),
            Line("  epochs in all", "", [end.epochs for end in ends]),
            Line("  seconds of fit in all", "s", [end.fit_seconds for end in ends]),
            Line(
                f"  to {100 * target:.2f} %: share of random's epochs",
                "",
                [step.epochs / epochs for step in arrivals],
                limit,
            ),
            Line(
                "    share of random's seconds of fit",
                "",
                [step.fit_seconds / seconds for step in arrivals],
                limit,
            ),
        ]
    return lines


def lengths(budget: Budget) -> tuple[str, ...]:
    """Returns the overrides that all searches have in common, beside the space."""
    return f"data.train_images={budget.train_images}", f"training.epochs={budget.epochs}"


def explore(folder: Path, seed: int, overrides: Sequence[str]) -> list[Progress]:
    """Runs a search in an empty folder; returns how it went, trial by trial."""
    seeds = (f"search.seed={seed}", f"seed={seed}", f"sweep.name={NAME}")
    run((MNIST_EXP, "train", "-m", *SPACE, *overrides, *seeds), folder)
    store = Store(location.sqlite_uri(folder / "mlflow.db"), EXPERIMENT)
    results = [
        records.from_record(found, store.history(found.run_id, records.VALIDATION))
        for found in store.search()
        if not found.is_sweep
    ]
    results.sort(key=lambda result: result.end_time)
    epochs = accumulate(len(result.epochs) for result in results)
    seconds = accumulate(result.metrics["time/fit_seconds"] for result in results)
    finished = [objective(r) if r.outcome == "finished" else -math.inf for r in results]
    bests = accumulate(finished, max)
    return [Progress(*step) for step in zip(epochs, seconds, bests, strict=True)]


def arrival(steps: Sequence[Progress], target: float) -> Progress:
    """Returns when a search was as good as the target; infinitely late where it never was."""
    never = Progress(math.inf, math.inf, -math.inf)
    return next((step for step in steps if step.best >= target), never)
