"""Reading what is there: comparing 1,000 finished runs, and commands beside 10,000 of them.

One run of a sweep is trained; its rows in MLflow's store are repeated for all the others, those
that are compared with predictions of their own.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ledger import fill
from measuring import MNIST_EXP, Line, progress, run

from mnist_exp.config.compose import Composer
from mnist_exp.config.grid import SweepComposer
from mnist_exp.core import cache
from mnist_exp.sweeps.plan import Plan
from mnist_exp.tracking.names import ARTIFACTS_TAG, DIGESTS, KEY_TAG
from mnist_exp.tracking.read.evidence import PREDICTIONS

RUNS, COMPARED, SEEDS = 10_000, 1_000, 5
COMPARE_SECONDS, LIST_SECONDS, CHECK_SECONDS = 3.0, 0.5, 2.5
SWEEP = ("model=seed_mlp", "training=smoke", "sweep.name=finished")
MISTAKES = 300  # by which predictions differ
CAPTION = "Seconds of whole commands, each in a fresh process."


def measure(folder: Path, runs: int) -> list[Line]:
    """Measures `compare`, `runs` and `reproduce --check-only`.

    Args:
        folder: an empty one.
        runs: how often each.
    """
    found = os.environ.get("MNIST_EXP_DATA") or str(cache.folder("datasets/mnist"))
    environment = {"MNIST_EXP_DATA": found}
    stores = {
        number: repeated(folder / str(number), number, environment) for number in (COMPARED, RUNS)
    }
    commands = (
        (COMPARED, ("compare",), COMPARE_SECONDS),
        (RUNS, ("runs",), LIST_SECONDS),
        (RUNS, ("reproduce", "latest", "--check-only"), CHECK_SECONDS),
        (RUNS, ("reproduce", "best", "--check-only"), CHECK_SECONDS),
    )
    lines = []
    for number, command, limit in commands:
        name = f"{' '.join(command)}, {number:,} runs"
        times = [seconds(command, stores[number], environment) for _ in range(runs + 1)]
        progress(f"{name}: {min(times[1:]):.2f} s")
        lines.append(Line(name, "s", times[1:], limit))
    return lines


def repeated(folder: Path, number: int, environment: Mapping[str, str]) -> Path:
    """Makes a folder whose store has so many finished runs; returns it."""
    folder.mkdir()
    rates = ",".join(f"{rate:.7f}" for rate in np.linspace(1e-3, 1e-2, number // SEEDS))
    sweep = (*SWEEP, f"optimizer.learning_rate={rates}", f"seed=range(0,{SEEDS})")
    drafts = Plan(SweepComposer(Composer(), sweep)).grid
    first = (*SWEEP, *drafts[0].assignment.overrides)
    run((MNIST_EXP, "train", "-m", *first), folder, environment=environment)
    fill(folder / "mlflow.db", drafts)
    predict(folder, COMPARED)
    progress(f"{number:,} runs in the store")
    return folder


def predict(folder: Path, number: int) -> None:
    """Gives so many runs of a store predictions of their own."""
    with database(folder / "mlflow.db") as store:
        rows = store.execute(
            "SELECT run_uuid, artifact_uri FROM runs JOIN tags USING (run_uuid) WHERE tags.key = ?",
            (KEY_TAG,),  # of jobs alone
        ).fetchall()
        first = Path(rows[0][1])
        known = dict(np.load(first / PREDICTIONS))
        for place, (run_id, _) in enumerate(rows[:number]):
            own = first.parent.parent / run_id / "artifacts"
            if not own.exists():
                shutil.copytree(first, own, ignore=shutil.ignore_patterns("plots", "export"))
            generator = np.random.default_rng(place)
            digits = known["predictions"].copy()
            digits[generator.integers(len(digits), size=MISTAKES)] = place % 10
            file = own / PREDICTIONS
            np.savez_compressed(file, **(known | {"predictions": digits}))
            digests = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {PREDICTIONS}\n"
            (own / DIGESTS).write_text(digests)
            store.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (str(own), run_id))
            store.execute(
                "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?",
                (hashlib.sha256(digests.encode()).hexdigest(), run_id, ARTIFACTS_TAG),
            )


@contextmanager
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """Opens a store, and writes what its block did."""
    connection = sqlite3.connect(file)
    with connection:
        yield connection
    connection.close()


def seconds(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> float:
    """Returns how long a command of mnist-exp takes."""
    return run((MNIST_EXP, *command), folder, environment=environment).seconds
