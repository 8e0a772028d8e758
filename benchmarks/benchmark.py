"""Measures recipes and peers, or what the name of a subject says, each run in a fresh process.

A line over its limit is marked; the exit code stays 0, because a busy machine is no defect. A
recipe or peer whose run fails makes it 1.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import frontier
import numpy as np
import tracking
from measuring import MNIST_EXP, Line, progress, record, run, table
from PIL import Image
from rich.console import Console

IMPORT_TENSORFLOW = (sys.executable, "-c", "import tensorflow")
TRAIN_FAST = (MNIST_EXP, "train", "experiment=fast")
START_UP_SECONDS = 0.5
BEYOND_SECONDS = 3.0
PEAK_MB = 1500.0
PREDICT_SECONDS = 0.6
CAPTION = "Peak memory is that of all processes of the command together."
PIPED_COLUMNS = 120
START_UP_RUNS = 5  # at least; they are short


@dataclass(frozen=True)
class Command:
    """A command that answers at once."""

    name: str
    arguments: tuple[str, ...]  # of mnist-exp
    exit_code: int = 0
    environment: dict[str, str] = field(default_factory=dict)


COMMANDS = (
    Command("mnist-exp --help", ("--help",)),
    Command("mnist-exp train --help", ("train", "--help")),
    Command("mnist-exp train --cfg job", ("train", "--cfg", "job")),
    Command("a config error", ("train", "model=cnm", "training.epochs=0"), exit_code=2),
    Command(
        "one completion answer",
        (),
        environment={
            "_MNIST_EXP_COMPLETE": "bash_complete",
            "COMP_LINE": "mnist-exp train model=",
        },
    ),
)


def main() -> None:
    """Measures, prints the table, and writes the JSON file if one is asked for."""
    options = parse()
    width = None if sys.stdout.isatty() else PIPED_COLUMNS
    if options.what is None:
        sys.exit(frontier.show(options, width))
    if options.what == "strokes":
        import strokes

        sys.exit(strokes.show(options, width))
    with tempfile.TemporaryDirectory(prefix="mnist-exp-benchmark-") as folder:
        if options.what == "sweeps":
            import sweeps

            caption = sweeps.CAPTION
            lines = sweeps.measure(Path(folder), options)
        elif options.what == "records":
            import records

            caption = records.CAPTION
            lines = records.measure(Path(folder), options.runs)
        elif options.what == "outages":
            import outages

            caption = outages.CAPTION
            lines = outages.measure(Path(folder), options.runs)
        else:
            caption = CAPTION
            lines = [
                *measure_start_up(Path(folder), max(options.runs, START_UP_RUNS)),
                *measure_training(Path(folder), options.runs),
            ]
    Console(highlight=False, width=width).print(table(lines, caption))
    if options.json is not None:
        options.json.write_text(json.dumps(record(lines), indent=2) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    subjects = parser.add_subparsers(
        dest="what", metavar="[commands|sweeps|records|outages|strokes]"
    )
    commands = subjects.add_parser(
        "commands",
        help="what users wait for: seconds and memory of single commands (about 3 minutes)",
        description="Commands that answer at once, and a training as a whole.",
    )
    records = subjects.add_parser(
        "records",
        help="compare, runs and reproduce --check-only among many runs (about 5 minutes)",
        description="Comparing 1,000 finished runs, and commands beside 10,000 of them.",
    )
    outages = subjects.add_parser(
        "outages",
        help="what a server that is down or frozen adds to a command (about 4 minutes)",
        description="A run and a list of runs, with MLflow's server up, down and frozen.",
    )
    sweeps = subjects.add_parser(
        "sweeps",
        help="grids, searches and what a sweep skips (about 25 minutes on 2 cores)",
        description="Grids against a shell loop, searches against one another, and what a sweep "
        "skips.",
    )
    sweeps.add_argument("--repeats", type=int, default=5, metavar="R", help="of each search (5)")
    sweeps.add_argument("--quick", action="store_true", help="estimates the loop from a part of it")
    sweeps.add_argument(
        "--only", choices=("grid", "search", "idle", "ledger"), help="one of the four"
    )
    strokes = subjects.add_parser(
        "strokes",
        help="how many real pen strokes a run's model reads right (about 10 minutes)",
        description="Digits of UNIPEN, drawn in many ways, read by the model of a run.",
    )
    strokes.add_argument("run", metavar="RUN", help="as mnist-exp takes it")
    strokes.add_argument("--digits", type=int, default=100_000, metavar="N", help="N at random")
    frontier.add_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every value to FILE")
    for command, runs in ((commands, 3), (sweeps, 1), (records, 3), (outages, 5)):
        command.add_argument(
            "--runs", type=int, default=runs, metavar="N", help=f"how often ({runs})"
        )
        command.add_argument("--json", type=Path, metavar="FILE", help="writes every value to FILE")
    strokes.add_argument("--json", type=Path, metavar="FILE", help="writes every value to FILE")
    options = parser.parse_args()
    for name in ("seeds", "runs", "repeats", "digits"):
        if getattr(options, name, 1) < 1:
            value = getattr(options, name)
            parser.error(f"Expected --{name} of at least 1. Received: {value}.")
    if getattr(options, "minutes", 1) <= 0:
        parser.error(f"Expected --minutes > 0. Received: {options.minutes:g}.")
    for name in ("json", "markdown", "picture"):
        file = getattr(options, name, None)
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"Expected --{name} in a folder that exists. Received: {file}.")
    return options


def measure_start_up(folder: Path, runs: int) -> list[Line]:
    """Measures the commands that answer at once.

    Args:
        folder: where they run.
        runs: how often each; one more goes before, unmeasured, to fill caches.

    Returns:
        A line of seconds for each.
    """
    lines = []
    for command in COMMANDS:
        samples = [
            run(
                (MNIST_EXP, *command.arguments),
                folder,
                exit_code=command.exit_code,
                environment=command.environment,
            )
            for _ in range(1 + runs)
        ]
        seconds = [sample.seconds for sample in samples[1:]]
        lines.append(Line(command.name, "s", seconds, START_UP_SECONDS))
        progress(f"{command.name}: {lines[-1].median:.2f} s")
    return lines


def measure_training(folder: Path, runs: int) -> list[Line]:
    """Measures `experiment=fast` as a whole, in turn with its import and its fit alone.

    Args:
        folder: where it runs; a short run goes before, unmeasured, to make the store.
        runs: how many trainings.

    Returns:
        Lines of seconds, one of memory, what the record costs the fit, and `predict` on an image.
    """
    run((MNIST_EXP, "train", "data=digits", "training=smoke"), folder)
    imports, trainings, fits, unrecorded = [], [], [], []
    for number in range(runs):
        imports.append(run(IMPORT_TENSORFLOW, folder).seconds)
        trainings.append(run(TRAIN_FAST, folder))
        fits.append(fit_seconds(folder))
        unrecorded.append(tracking.fit_seconds(TRAIN_FAST[2:]))
        progress(f"experiment=fast, {number + 1} of {runs}: {trainings[-1].seconds:.1f} s")
    picture = folder / "digit.png"
    Image.fromarray(np.pad(np.zeros((120, 14), np.uint8), 60, constant_values=255)).save(picture)
    predict = (MNIST_EXP, "predict", "latest", str(picture))
    answers = [run(predict, folder).seconds for _ in range(1 + START_UP_RUNS)][1:]
    whole = [sample.seconds for sample in trainings]
    parts = zip(whole, imports, fits, strict=True)
    beyond = [total - import_ - fit for total, import_, fit in parts]
    cost = statistics.median(fits) / statistics.median(unrecorded)
    name = " ".join(("mnist-exp", *TRAIN_FAST[1:]))
    return [
        Line(name, "s", whole),
        Line("  of which import tensorflow", "s", imports),
        Line("  of which fit", "s", fits),
        Line("  the same fit without a record", "s", unrecorded),
        Line("  fit with the record, in times of it", "x", [cost], tracking.LIMIT),
        Line("  beyond import and fit", "s", beyond, BEYOND_SECONDS),
        Line("  peak memory", "MB", [s.peak_mb for s in trainings], PEAK_MB),
        Line("mnist-exp predict, one image", "s", answers, PREDICT_SECONDS),
    ]


def fit_seconds(folder: Path) -> float:
    """Returns what the newest run recorded as its fit time."""
    newest = subprocess.run(
        (MNIST_EXP, "runs", "--limit", "1", "--json"), cwd=folder, check=True, capture_output=True
    )
    return float(json.loads(newest.stdout)[0]["metrics"]["time/fit_seconds"])


if __name__ == "__main__":
    main()
