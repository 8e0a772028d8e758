"""Trains every combination of options twice, in fresh processes, and compares every bit.

The second process trains in reversed order, and nothing is cleared between two trainings, so that
whatever one leaves to the next shows. It ends with exit code 1 where a combination is not exact.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mnist_exp.config.compose import compose
from mnist_exp.config.hydra import config_folder

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
from measuring import machine, progress, variables

GROUPS = ("augmentation", "schedule", "loss", "optimizer", "model")  # the last varies fastest
PRECISIONS = ("float32", "bfloat16")
THREADS = ("1", "2")
THREADS_KEY, PRECISION_KEY = "training.threads", "training.precision"
# Five steps an epoch, of which the last has 20 images.
SMALL = (
    "data=digits",
    "data.train_images=212",
    "data.validation_images=200",
    "training.epochs=2",
    "training.batch_size=48",
)
PROCESS_TRAININGS = 60  # in one process, so that what TensorFlow keeps does not fill the memory

Combination = dict[str, str]  # key or group -> value or option: Hydra overrides


class Pair(NamedTuple):
    """A combination and what its two trainings gave, as JSON; see `train`."""

    combination: Combination
    first: str
    second: str

    @property
    def exact(self) -> bool:
        """Tells whether both gave the same weights and metrics."""
        return self.first == self.second


def main() -> None:
    """Trains, prints the table and what is not exact."""
    options = parse()
    if options.work:
        work(json.load(sys.stdin))
        return
    combinations = list(covering() if options.quick else every())
    pairs = twice(combinations, options.jobs)
    console = Console(highlight=False)
    console.print(table(pairs))
    for line in remarks(pairs):
        console.print(line, soft_wrap=True)
    sys.exit(0 if all(pair.exact for pair in pairs) else 1)


def parse() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/determinism", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few combinations, with every option at every precision and number of threads "
        "(about a minute), in place of all (a day on 2 cores)",
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes at once (cores)"
    )
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"Expected --jobs of at least 1. Received: {options.jobs}.")
    return options


def choices() -> dict[str, list[str]]:
    """Returns what can be chosen in each group, subfolders of conf/ included."""
    found = {}
    for group in GROUPS:
        folder = config_folder() / group
        files = sorted(folder.rglob("*.yaml"))
        if not files:
            raise AssertionError(folder)
        found[group] = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return found


def every() -> Iterator[Combination]:
    """Yields all combinations."""
    values = {THREADS_KEY: THREADS, PRECISION_KEY: PRECISIONS, **choices()}
    for chosen in itertools.product(*values.values()):
        yield varied(dict(zip(values, chosen, strict=True)))


def covering() -> Iterator[Combination]:
    """Yields few combinations: every option at every precision and number of threads."""
    options = choices()
    rows = max(map(len, options.values()))
    for turn, (threads, precision) in enumerate(itertools.product(THREADS, PRECISIONS)):
        for row in range(rows):
            # Another turn shifts the groups against each other, so that other options meet.
            chosen = {
                group: names[(row + turn * place) % len(names)]
                for place, (group, names) in enumerate(options.items())
            }
            yield varied({THREADS_KEY: threads, PRECISION_KEY: precision, **chosen})


def sample() -> Iterator[Combination]:
    """Yields fewer: every option once, at one precision and number of threads after the other."""
    options = choices()
    settings = list(itertools.product(THREADS, PRECISIONS))
    for row in range(max(map(len, options.values()))):
        threads, precision = settings[row % len(settings)]
        chosen = {group: names[row % len(names)] for group, names in options.items()}
        yield varied({THREADS_KEY: threads, PRECISION_KEY: precision, **chosen})


def varied(combination: Combination) -> Combination:
    """Adds averaged weights to about half of the combinations, and plain last steps to others."""
    rest = {key: value for key, value in combination.items() if key != THREADS_KEY}
    draw = zlib.crc32(json.dumps(rest).encode())
    return {
        **combination,
        "training.weight_averaging": "0.9" if draw & 1 else "null",
        "training.plain_fraction": "0.3" if draw & 4 else "0",
    }


def twice(combinations: Sequence[Combination], jobs: int) -> list[Pair]:
    """Trains each combination in two fresh processes.

    Args:
        combinations: what to train; a process takes some that share their number of threads.
        jobs: how many processes at once.

    Returns:
        What came of them, in the same order.
    """
    batches = [
        batch
        for threads in THREADS
        for batch in pieces([c for c in combinations if c[THREADS_KEY] == threads])
    ]
    began = time.monotonic()
    done = itertools.count(1)

    def job(batch: list[Combination]) -> list[str]:
        outcomes = in_a_fresh_process(batch)
        seconds = time.monotonic() - began
        progress(f"{next(done)} of {2 * len(batches)} processes have ended, {seconds:.0f} s")
        return outcomes

    with ThreadPoolExecutor(jobs) as pool:
        futures: list[tuple[Future[list[str]], Future[list[str]]]] = [
            (pool.submit(job, batch), pool.submit(job, batch[::-1])) for batch in batches
        ]
        return [
            Pair(*values)
            for batch, (first, second) in zip(batches, futures, strict=True)
            for values in zip(batch, first.result(), second.result()[::-1], strict=True)
        ]


def pieces(combinations: list[Combination]) -> Iterator[list[Combination]]:
    """Yields the combinations of one process after the other."""
    for start in range(0, len(combinations), PROCESS_TRAININGS):
        yield combinations[start : start + PROCESS_TRAININGS]


def in_a_fresh_process(combinations: Sequence[Combination]) -> list[str]:
    """Trains one combination after the other in a new process, and returns what `train` gave."""
    command = (sys.executable, __file__, "--work")
    text = json.dumps(combinations)
    done = subprocess.run(
        command, input=text, env=variables(), check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"A training process ended with {done.returncode}.\n{done.stderr}")
    return done.stdout.splitlines()


def work(combinations: Sequence[Combination]) -> None:
    """Trains in this process, and prints a line for each combination."""
    for combination in combinations:
        print(json.dumps(train(combination), sort_keys=True), flush=True)


def train(combination: Mapping[str, str]) -> dict[str, Any]:
    """Trains as `mnist-exp train` does, without a record.

    Args:
        combination: what to train; other keys, such as `seed`, may stand in it too.

    Returns:
        The SHA-256 of the last weights, and each metric that is no speed, epoch by epoch.
    """
    from mnist_exp import data
    from mnist_exp.core.hardware import start_tensorflow

    config = compose([*SMALL, *(f"{key}={value}" for key, value in combination.items())]).config
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    start_tensorflow(config.training.threads, config.training.device)
    from mnist_exp.runs import artifacts
    from mnist_exp.training import build, loop

    task = build.task(config, splits)
    with tempfile.TemporaryDirectory(prefix="mnist-exp-determinism-") as folder:
        fit = loop.fit(
            task,
            checkpoint_file=Path(folder, "last.npz"),
            best_weights=False,
            early_stopping_patience=None,
        )
    history = {name: values for name, values in fit.history.items() if name != "images_per_second"}
    return {"weights_sha256": artifacts.weights_digest(task.original), "history": history}


def table(pairs: Sequence[Pair]) -> Table:
    """Returns how many of how many combinations were exact, for each option."""
    table = Table(title=f"Bit for bit the same, on {machine()}", title_justify="left")
    table.box, table.pad_edge = SIMPLE_HEAD, False
    for title in ("", ""):
        table.add_column(title, no_wrap=True)
    for threads in THREADS:
        table.add_column(words(threads), justify="right", no_wrap=True)
    keys = [key for key in pairs[0].combination if key != THREADS_KEY]
    for key in keys:
        for place, value in enumerate(sorted({pair.combination[key] for pair in pairs})):
            chosen = [pair for pair in pairs if pair.combination[key] == value]
            table.add_row("" if place else key, value, *shares(chosen))
    table.add_section()
    table.add_row("all", "", *shares(pairs))
    return table


def words(threads: str) -> str:
    """Returns a number of threads in words."""
    return "1 thread" if threads == "1" else f"{threads} threads"


def shares(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yields, for each number of threads, how many of how many were exact."""
    for threads in THREADS:
        exact = [pair.exact for pair in pairs if pair.combination[THREADS_KEY] == threads]
        yield f"{sum(exact)} of {len(exact)}"


def remarks(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yields a line for each combination that is not exact, and what else the results tell."""
    for pair in pairs:
        if not pair.exact:
            overrides = " ".join(f"{key}={value}" for key, value in pair.combination.items())
            yield f"not exact: {overrides} ({difference(pair)})"
    by_threads = [
        {
            tuple(value for key, value in pair.combination.items() if key != THREADS_KEY): pair
            for pair in pairs
            if pair.combination[THREADS_KEY] == threads
        }
        for threads in THREADS
    ]
    for threads, results in zip(THREADS, by_threads, strict=True):
        different = len({pair.first for pair in results.values()})
        yield f"With {words(threads)}: {different} different results of {len(results)} trainings."
    both = by_threads[0].keys() & by_threads[1].keys()
    same = sum(by_threads[0][key].first == by_threads[1][key].first for key in both)
    yield f"1 and 2 threads may differ: they gave the same result in {same} of {len(both)}."


def difference(pair: Pair) -> str:
    """Returns what differs between the two trainings of a combination, in words."""
    first, second = json.loads(pair.first), json.loads(pair.second)
    found = ["weights"] if first["weights_sha256"] != second["weights_sha256"] else []
    for metric, values in first["history"].items():
        epochs = zip(values, second["history"][metric], strict=True)
        different = [epoch for epoch, (a, b) in enumerate(epochs, start=1) if a != b]
        found += [f"{metric} from epoch {different[0]}" for _ in different[:1]]
    return ", ".join(found)


if __name__ == "__main__":
    main()
