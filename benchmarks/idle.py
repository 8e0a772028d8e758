"""How long the slots of a search stand idle, where its trials differ in length."""

from pathlib import Path

from measuring import MNIST_EXP, Line, progress, run

from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.store import Store

SLOTS, TRIALS = 2, 24
EXPERIMENT = "mnist"  # MLflow's, of conf/tracking
MOST_SHARE = 0.05
SEARCH = (
    "data=digits",
    "training=smoke",
    "model=mlp",
    "search=random",
    f"search.trials={TRIALS}",
    "training.epochs=range(5,300)",
    "hydra/launcher=parallel",
    f"hydra.launcher.n_jobs={SLOTS}",
)


def measure_idle(folder: Path, runs: int) -> list[Line]:
    """Runs a search of unequal trials in as many slots as it has processes.

    Args:
        folder: an empty one.
        runs: how often.

    Returns:
        A line of the share of the slots' time in which no trial ran, from the start of the first to
        the moment when none was left to be given out: the start of the last.
    """
    shares = []
    for number in range(runs):
        place = folder / f"idle-{number}"
        place.mkdir()
        run((MNIST_EXP, "train", "-m", *SEARCH, f"seed={number}"), place)
        store = Store(location.sqlite_uri(place / "mlflow.db"), EXPERIMENT)
        times = [(r.start_time, r.end_time or 0) for r in store.search() if not r.is_sweep]
        shares.append(idle_share(times, SLOTS))
        progress(f"idle, {number + 1} of {runs}: {100 * shares[-1]:.1f} %")
    return [Line(f"{TRIALS} unequal trials: idle share of {SLOTS} slots", "", shares, MOST_SHARE)]


def idle_share(times: list[tuple[int, int]], slots: int) -> float:
    """Returns the share of the slots' time without a job, while there were jobs to be given out.

    Args:
        times: start and end of each job, in ms.
        slots: how many run at once.
    """
    first, last = min(start for start, _ in times), max(start for start, _ in times)
    busy = sum(max(0, min(end, last) - start) for start, end in times)
    return 1 - busy / (slots * (last - first))
