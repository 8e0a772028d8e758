"""Measures the commands that users wait for: seconds and peak memory, each in a fresh process.

A line over its limit is marked; the exit code stays 0, because a busy machine is no defect.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

BIN = Path(sys.executable).parent
MNIST_EXP = str(BIN / "mnist-exp")
IMPORT_TENSORFLOW = (sys.executable, "-c", "import tensorflow")
TRAIN_FAST = (MNIST_EXP, "train", "experiment=fast")
START_UP_SECONDS = 0.5
BEYOND_SECONDS = 6.0
PEAK_MB = 1500.0
START_UP_RUNS = 5  # at least; they are short
UNSET = ("MLFLOW_", "HYDRA_", "MNIST_EXP_DEBUG", "PYTHONDONTWRITEBYTECODE")
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


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


@dataclass(frozen=True)
class Sample:
    """One process that has ended."""

    seconds: float
    peak_mb: float  # of the command and all its processes together; 10^6 bytes


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    unit: str  # s or MB
    values: list[float]
    limit: float | None = None

    @property
    def median(self) -> float:
        """Returns the median of the values."""
        return statistics.median(self.values)

    @property
    def over(self) -> bool:
        """Tells whether the median is over the limit."""
        return self.limit is not None and self.median > self.limit


def main() -> None:
    """Measures, prints the table, and writes the JSON file if one is asked for."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="trainings (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every value to FILE")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error(f"Expected --runs of at least 1. Received: {options.runs}.")
    with tempfile.TemporaryDirectory(prefix="mnist-exp-benchmark-") as folder:
        lines = [
            *measure_start_up(Path(folder), max(options.runs, START_UP_RUNS)),
            *measure_training(Path(folder), options.runs),
        ]
    Console(highlight=False).print(table(lines))
    if options.json is not None:
        options.json.write_text(json.dumps(record(lines), indent=2) + "\n", encoding="utf-8")


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
    """Measures `experiment=fast` as a whole, in turn with the import that every training pays.

    Args:
        folder: where it runs; a short run goes before, unmeasured, to make the store.
        runs: how many trainings.

    Returns:
        Lines of seconds, and one of memory.
    """
    run((MNIST_EXP, "train", "data=digits", "training=smoke"), folder)
    imports, trainings, fits = [], [], []
    for number in range(runs):
        imports.append(run(IMPORT_TENSORFLOW, folder).seconds)
        trainings.append(run(TRAIN_FAST, folder))
        fits.append(fit_seconds(folder))
        progress(f"experiment=fast, {number + 1} of {runs}: {trainings[-1].seconds:.1f} s")
    whole = [sample.seconds for sample in trainings]
    parts = zip(whole, imports, fits, strict=True)
    beyond = [total - import_ - fit for total, import_, fit in parts]
    name = " ".join(("mnist-exp", *TRAIN_FAST[1:]))
    return [
        Line(name, "s", whole),
        Line("  of which import tensorflow", "s", imports),
        Line("  of which fit", "s", fits),
        Line("  beyond both", "s", beyond, BEYOND_SECONDS),
        Line("  peak memory", "MB", [s.peak_mb for s in trainings], PEAK_MB),
    ]


def run(
    command: Sequence[str],
    folder: Path,
    *,
    exit_code: int = 0,
    environment: dict[str, str] | None = None,
) -> Sample:
    """Runs a command in a fresh process to its end.

    Args:
        command: a program and its arguments.
        folder: where it runs.
        exit_code: what it must end with.
        environment: variables on top of this process's.

    Returns:
        Its wall time, from start to end, and its peak memory as the kernel counted it.
    """
    variables = {k: v for k, v in os.environ.items() if not k.startswith(UNSET)}
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        ended = threading.Event()
        with ThreadPoolExecutor(1) as watcher:
            watched = watcher.submit(peak_bytes, process.pid, ended)
            # Unlike getrusage, wait4 speaks of this child and its children alone.
            _, status, usage = os.wait4(process.pid, 0)
            ended.set()
            seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != exit_code:
            output.seek(0)
            sys.exit(
                f"Expected exit code {exit_code} of {' '.join(command)}. "
                f"Received: {process.returncode}.\n{output.read().decode(errors='replace')}"
            )
    largest = usage.ru_maxrss * BYTES_PER_MAXRSS
    return Sample(seconds, max(largest, watched.result()) / 1e6)


def peak_bytes(pid: int, ended: threading.Event) -> int:
    """Watches a process and its children, looking every 50 ms.

    Returns:
        The most resident memory that they had together, of which what they share counts twice; 0
        where the system is not Linux.
    """
    peak = 0
    while not ended.wait(0.05):
        peak = max(peak, resident_bytes(pid))
    return peak


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process and its children; 0 for one that has ended."""
    folder = Path("/proc", str(pid))
    try:
        pages = int((folder / "statm").read_text().split()[1])
        children = [c for f in folder.glob("task/*/children") for c in f.read_text().split()]
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(int(c)) for c in children)


def fit_seconds(folder: Path) -> float:
    """Returns what the newest run recorded as its fit time."""
    newest = subprocess.run(
        (MNIST_EXP, "runs", "--limit", "1", "--json"), cwd=folder, check=True, capture_output=True
    )
    return float(json.loads(newest.stdout)[0]["metrics"]["time/fit_seconds"])


def table(lines: Sequence[Line]) -> Table:
    """Returns the lines as a table."""
    table = Table(
        title=f"Medians, on {machine()}",
        caption="Peak memory is that of all processes of the command together.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for title in ("", "median", "from", "to", "limit", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for line in lines:
        numbers = [line.median, min(line.values), max(line.values), line.limit]
        decimals = 2 if line.unit == "s" else 0
        texts = ["" if n is None else f"{n:,.{decimals}f} {line.unit}" for n in numbers]
        mark, style = ("over", "red") if line.over else ("", None)
        table.add_row(line.name, *texts, mark, style=style)
    return table


def record(lines: Sequence[Line]) -> dict[str, object]:
    """Returns the lines as plain values for JSON."""
    entries = [asdict(line) | {"median": line.median, "over": line.over} for line in lines]
    return {"machine": machine(), "lines": entries}


def machine() -> str:
    """Returns what the figures depend on."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return f"{cores} cores, {system}, Python {platform.python_version()}"


def progress(text: str) -> None:
    """Says on stderr how far it is."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
