"""Best validation accuracy against compute, for each search, on the same space and budget.

Compute is counted in epochs trained and in the jobs' seconds. A search arrives when the best config
that has finished is as good as what random search ends with in the same repeat, where all searches
begin with the same draws. Halving comes twice: with as many configs as the others have trials,
most of them trained briefly, which leaves two thirds of the budget; and with as many as it takes to
spend the same epochs.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from measuring import MNIST_EXP, Line, progress, run

from mnist_exp.evaluation.names import VAL_ACCURACY
from mnist_exp.sweeps.results import records
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.store import Store

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
    """What each search may spend: the epochs of so many whole trials."""

    train_images: int = 5000
    epochs: int = 9
    trials: int = 18

    def searches(self) -> dict[str, tuple[str, ...]]:
        """Returns each search -> its overrides."""
        same = (
            f"data.train_images={self.train_images}",
            f"training.epochs={self.epochs}",
        )
        trials = f"search.trials={self.trials}"  # of halving: 18 of 1 epoch, 6 of 3, 2 of 9
        more = f"search.trials={3 * self.trials}"  # 54 of 1 epoch, 18 of 3, 6 of 9
        return {
            "random": (*same, "search=random", trials),
            "tpe and pruner": (*same, "search=tpe", "search.pruner=median", trials),
            "halving": (*same, "search=halving", trials),
            "halving of 3 times as many": (*same, "search=halving", more),
        }


class Progress(NamedTuple):
    """How far a search was when a trial of it ended."""

    epochs: float  # trained until then
    job_seconds: float  # from the start to the end of each, summed
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
            place = folder / f"{name.replace(' ', '-')}-{repeat}"
            place.mkdir()
            found[name].append(explore(place, repeat, overrides))
            last = found[name][-1][-1]
            progress(
                f"{name}, {repeat + 1} of {repeats}: {100 * last.best:.2f} % by {last.epochs:.0f} "
                f"epochs, {last.job_seconds:.0f} s of jobs"
            )
    ends = [steps[-1] for steps in found["random"]]
    return [line for name, repeated in found.items() for line in report(name, repeated, ends)]


def report(name: str, found: Sequence[Sequence[Progress]], ends: Sequence[Progress]) -> list[Line]:
    """Returns the lines of a search.

    Args:
        name: of the search.
        found: how it went in each repeat.
        ends: where random search ended in each.
    """
    limit = None if name == "random" else SHARE
    pairs = [(arrival(steps, end.best), end) for steps, end in zip(found, ends, strict=True)]
    epochs = [there.epochs / end.epochs for there, end in pairs]
    seconds = [there.job_seconds / end.job_seconds for there, end in pairs]
    return [
        Line(f"{name}: best validation", "%", [100 * steps[-1].best for steps in found]),
        Line("  epochs", "", [steps[-1].epochs for steps in found]),
        Line("  seconds of its jobs", "s", [steps[-1].job_seconds for steps in found]),
        Line("  to random's best: of its epochs", "", epochs, limit),
        Line("  to random's best: of its seconds", "", seconds, limit),
    ]


def explore(folder: Path, seed: int, overrides: Sequence[str]) -> list[Progress]:
    """Runs a search in an empty folder; returns how it went, trial by trial."""
    seeds = (f"search.seed={seed}", f"seed={seed}", f"sweep.name={NAME}")
    run((MNIST_EXP, "train", "-m", *SPACE, *overrides, *seeds), folder)
    store = Store(location.sqlite_uri(folder / "mlflow.db"), EXPERIMENT)
    results = [
        records.from_record(found, store.history(found.run_id, VAL_ACCURACY))
        for found in store.search()
        if not found.is_sweep
    ]
    results.sort(key=lambda result: result.end_time)
    epochs = accumulate(len(result.epochs) for result in results)
    seconds = accumulate((result.end_time - result.start_time) / 1000 for result in results)
    finished = [r.value if r.outcome == "finished" else -math.inf for r in results]
    bests = accumulate(finished, max)
    return [Progress(*step) for step in zip(epochs, seconds, bests, strict=True)]


def arrival(steps: Sequence[Progress], target: float) -> Progress:
    """Returns when a search was as good as the target; infinitely late where it never was."""
    never = Progress(math.inf, math.inf, -math.inf)
    return next((step for step in steps if step.best >= target), never)
