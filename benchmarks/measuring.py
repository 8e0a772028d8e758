"""Processes measured to their end, and the table of what was measured."""

import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnist_exp.core import numerics, processor

MNIST_EXP = str(Path(sys.executable).parent / "mnist-exp")
UNSET = ("MLFLOW_", "HYDRA_", "MNIST_EXP_DEBUG", "PYTHONDONTWRITEBYTECODE")
# Flag of a processor -> what decides how fast it multiplies, the best first.
KINDS = {
    "amx_bf16": "AMX BF16",
    "avx512_bf16": "AVX-512 BF16",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}
MOST_INSTRUCTIONS = "ONEDNN_MAX_CPU_ISA"
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Sample:
    """One process that has ended."""

    seconds: float
    peak_mb: float  # of the command and all its processes together; 10^6 bytes
    exit_code: int
    output: str  # stdout and stderr as they came


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    unit: str  # such as s, MB or x
    values: list[float]
    limit: float | None = None  # the most
    aim: float | None = None  # the least

    @property
    def median(self) -> float:
        """Returns the median of the values."""
        return statistics.median(self.values)

    @property
    def over(self) -> bool:
        """Tells whether the median is over the limit."""
        return self.limit is not None and self.median > self.limit

    @property
    def short(self) -> bool:
        """Tells whether the median is short of the aim."""
        return self.aim is not None and self.median < self.aim


def run(
    command: Sequence[str],
    folder: Path,
    *,
    exit_code: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Sample:
    """Runs a command in a fresh process to its end, and gives up where it ends in another way.

    Args:
        command: a program and its arguments.
        folder: where it runs.
        exit_code: what it must end with.
        environment: variables on top of this process's.

    Returns:
        Its wall time, from start to end, and its peak memory as the kernel counted it.
    """
    sample = attempt(command, folder, environment=environment)
    if sample.exit_code != exit_code:
        sys.exit(
            f"Expected exit code {exit_code} of {' '.join(command)}. "
            f"Received: {sample.exit_code}.\n{sample.output}"
        )
    return sample


def attempt(
    command: Sequence[str], folder: Path, *, environment: Mapping[str, str] | None = None
) -> Sample:
    """Runs a command in a fresh process to its end, however it ends.

    Args:
        command: a program and its arguments.
        folder: where it runs.
        environment: variables on top of this process's.
    """
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables(environment),
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
        output.seek(0)
        text = output.read().decode(errors="replace")
    largest = usage.ru_maxrss * BYTES_PER_MAXRSS
    return Sample(seconds, max(largest, watched.result()) / 1e6, process.returncode, text)


def variables(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the environment of a command: as a user's, with some on top of it."""
    usual = {k: v for k, v in os.environ.items() if not k.startswith(UNSET)}
    return {**usual, **(more or {})}


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


def table(lines: Sequence[Line], caption: str) -> Table:
    """Returns the lines as a table, with a caption below."""
    table = Table(
        title=f"Medians, on {machine()}",
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for title in ("", "median", "from", "to", "limit", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for line in lines:
        numbers = [line.median, min(line.values), max(line.values), line.limit or line.aim]
        texts = ["" if n is None else words(n, line.unit) for n in numbers]
        mark = "over" if line.over else "short" if line.short else ""
        table.add_row(line.name, *texts, mark, style="red" if mark else None)
    return table


def words(number: float, unit: str) -> str:
    """Returns a number for the table; what never came to be has taken for ever."""
    if math.isinf(number):
        return "never"
    return f"{number:,.{0 if unit == 'MB' else 2}f} {unit}".rstrip()


def record(lines: Sequence[Line]) -> dict[str, object]:
    """Returns the lines as plain values for JSON, which knows nothing infinite: it is null."""
    entries = [
        asdict(line)
        | {"values": [value if math.isfinite(value) else None for value in line.values]}
        | {"median": line.median if math.isfinite(line.median) else None}
        | {"over": line.over, "short": line.short}
        for line in lines
    ]
    return {"machine": machine(), "lines": entries}


def machine() -> str:
    """Returns what the figures depend on."""
    flags = processor.flags()
    kind = next((words for flag, words in KINDS.items() if flag in flags), platform.machine())
    name = processor.info().get("model name", platform.processor())
    kernels = f"oneDNN {'on' if numerics.onednn() else 'off'}"
    most = os.environ.get(MOST_INSTRUCTIONS)
    if most:
        kernels += f" and imitating a processor with {most} ({MOST_INSTRUCTIONS})"
    return (
        f"{processor.cores()} cores of {name}, {kind}, {kernels}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def progress(text: str) -> None:
    """Says on stderr how far it is."""
    sys.stderr.write(f"{text}\n")
