"""Runs that never ran, with what they predicted, and a store that knows their curves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mnist_exp.tracking.read.evidence import Predictions
from mnist_exp.tracking.records import RunRecord

LABELS = np.tile(np.arange(10, dtype=np.uint8), 20)


class Curves:
    """A store that has nothing but metrics; `history` fails with `problem` if it is set."""

    uri = "sqlite:///absent.db"

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Mapping[int, float]] = {}
        self.problem: Exception | None = None

    def history(self, run_id: str, metric: str) -> Mapping[int, float]:
        if self.problem is not None:
            raise self.problem
        return self.values.get((run_id, metric), {})


def predicted(mistakes: Mapping[int, int], labels: np.ndarray = LABELS) -> Predictions:
    """Returns predictions that are right but for some images: index -> digit."""
    digits = labels.copy()
    digits[list(mistakes)] = list(mistakes.values())
    return Predictions(labels, digits)


def record(run_id: str, *, seed: int = 0, folder: Path = Path("absent"), **changes) -> RunRecord:
    """Returns a run that finished; changes are of its fields, or params with dots in their keys."""
    fields = {key: value for key, value in changes.items() if "." not in key}
    params = {"seed": str(seed), "data.name": "digits", "data.validation_images": "100"}
    values = {
        "run_id": run_id,
        "name": f"run-{run_id}",
        "status": "FINISHED",
        "deleted": False,
        "start_time": 1_700_000_000_000,
        "end_time": 1_700_000_010_000,
        "params": params | {key: value for key, value in changes.items() if "." in key},
        "metrics": {"model/parameters": 1234.0, "time/fit_seconds": 12.5},
        "tags": {},
        "artifact_uri": str(Path("mlruns", folder).absolute()),
    }
    metrics = values["metrics"] | fields.pop("metrics", {})
    return RunRecord(**(values | fields | {"metrics": metrics}))


def sweep(
    models: Mapping[str, float], *, seeds: int = 5, folder: Path = Path("absent")
) -> tuple[list[RunRecord], dict[str, Predictions]]:
    """Returns the runs of models by seeds: model -> validation accuracy, and as much on test."""
    runs, predictions = [], {}
    for model, accuracy in models.items():
        for seed in range(seeds):
            run_id = f"{model}-{seed}"
            runs.append(
                record(
                    run_id,
                    seed=seed,
                    folder=folder,
                    tags={"model": model},
                    metrics={"chosen/val_accuracy": accuracy - seed / 1000},
                    **{"model.name": model, "optimizer.learning_rate": "0.001"},
                )
            )
            wrong = np.random.default_rng(len(predictions)).choice(
                len(LABELS), round((1 - accuracy) * len(LABELS)), replace=False
            )
            predictions[run_id] = predicted({int(i): int(LABELS[i] + 1) % 10 for i in wrong})
    return runs, predictions
