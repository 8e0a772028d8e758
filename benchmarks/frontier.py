"""The frontier: how right, how fast and how near the machine's limit each recipe and peer is.

Seed by seed, all contenders run in turn, each run in a fresh process; so a machine that is slow for
a while is slow for all of them.
"""

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontier_results import Failure, Frontier, Trial, from_record, record
from measuring import MNIST_EXP, Sample, attempt, machine, progress, run
from rich.console import Console

from mnist_exp.core.hardware import start_tensorflow
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events

if TYPE_CHECKING:
    from frontier_contenders import Contender

SCRIPTS = Path(__file__).resolve().parent
RECIPES = sorted(file.stem for file in (SCRIPTS.parent / "conf" / "experiment").glob("*.yaml"))
PEERS = (
    "keras_example",
    "keras_tutorial",
    "keras_fit",
    "torch_float32",
    "torch_bfloat16",
    "torch_compile_float32",
    "torch_compile_bfloat16",
)
# Seconds of each precision, in each round, and the side of the matrices.
MATMUL, QUICK_MATMUL = (2.0, 3072), (0.2, 512)
LAST_LINES = 12  # of a run that failed
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def add_options(parser: ArgumentParser) -> None:
    """Adds what the command line says of the frontier."""
    add = parser.add_argument
    add("--seeds", type=int, default=3, metavar="N", help="0 to N-1, of each contender (3)")
    add(
        "--minutes",
        type=float,
        default=30,
        metavar="M",
        help="a contender starts no further seed after M minutes of its own runs (30)",
    )
    add(
        "--only",
        nargs="+",
        choices=[*RECIPES, *PEERS],
        metavar="NAME",
        help=f"of {', '.join([*RECIPES, *PEERS])}",
    )
    add(
        "--also",
        action="append",
        default=[],
        metavar="OVERRIDES",
        help="another config of yours, such as 'experiment=fast training.epochs=1'",
    )
    add("--torch-python", default=sys.executable, metavar="PATH", help="a Python with PyTorch")
    add("--data", default="mnist", choices=("mnist", "digits"), help="the images (mnist)")
    add("--quick", action="store_true", help="1 seed, 1 epoch, fewer images: does it work at all")
    add("--picture", type=Path, metavar="FILE", help="draws accuracy against seconds (.png)")
    add("--markdown", type=Path, metavar="FILE", help="writes the table for a page (.md)")
    add("--from", dest="source", type=Path, metavar="FILE", help="shows an earlier --json FILE")


def show(options: Namespace, width: int | None) -> int:
    """Measures, prints the table, and writes the files that are asked for.

    Args:
        options: of the command line.
        width: of the table; None takes the terminal's.

    Returns:
        The exit code: 1 where a run failed.
    """
    import frontier_table

    with tempfile.TemporaryDirectory(prefix="mnist-exp-benchmark-") as folder:
        frontier = measure(Path(folder), options)
    Console(highlight=False, width=width).print(frontier_table.table(frontier))
    if options.json is not None:
        write(frontier, options.json)
    if options.markdown is not None:
        options.markdown.write_text(frontier_table.markdown(frontier), encoding="utf-8")
    if options.picture is not None and frontier.ranking:
        import frontier_picture

        frontier_picture.write(frontier, options.picture)
    return int(frontier.failed)


def measure(folder: Path, options: Namespace) -> Frontier:
    """Runs every contender with every seed, or reads what was measured earlier.

    Args:
        folder: an empty one.
        options: of the command line; after each run, all there is goes to `json`.
    """
    if options.source is not None:
        return from_record(json.loads(options.source.read_text(encoding="utf-8")))
    contenders, left_out = entered(folder, options)
    versions = {name: version(name) for name in ("tensorflow", "keras")}
    if any(contender.result.name.startswith("torch") for contender in contenders):
        from frontier_twins import torch_version

        versions["torch"] = torch_version(options.torch_python)[0]
    frontier = Frontier(
        machine=machine(),
        versions=versions,
        quick=f"1 epoch, few images of {options.data}" if options.quick else "",
        data=options.data,
        seeds=1 if options.quick else options.seeds,
        minutes=options.minutes,
        results=[contender.result for contender in contenders],
        left_out=left_out,
    )
    if not options.quick:
        # Makes the store, which only the first run in a folder has to wait for.
        run((MNIST_EXP, "train", "data=digits", "training=smoke"), folder, environment=QUIET)
    for seed in range(frontier.seeds):
        going = [c for c in contenders if c.result.command_seconds < 60 * frontier.minutes]
        if not going:
            break
        frontier.matmul_gflops.append(
            matmul_gflops(folder, *(QUICK_MATMUL if options.quick else MATMUL))
        )
        for contender in going:
            compete(contender, seed, folder)
            if options.json is not None:
                write(frontier, options.json)
    return frontier


def entered(folder: Path, options: Namespace) -> tuple[list["Contender"], list[str]]:
    """Returns who takes part, and who does not, in words."""
    start_tensorflow(None, "auto")  # quietly, which a plain import is not
    import frontier_contenders
    import frontier_twins

    setting = frontier_contenders.Setting(
        folder, options.data, quick=options.quick, torch_python=options.torch_python
    )
    frontier_contenders.write_images(setting)
    wanted = options.only or [*RECIPES, *PEERS]
    left_out = ""
    found = frontier_contenders.keras_peers(setting)
    if any(name.startswith(("torch", "keras_fit")) for name in wanted):
        twins, left_out = frontier_twins.twins(setting)
        found += twins
    recipes = {name: [f"experiment={name}"] for name in RECIPES if name in wanted}
    recipes |= {overrides: overrides.split() for overrides in options.also}
    return [
        *(frontier_contenders.ours(*recipe, setting) for recipe in recipes.items()),
        *(contender for contender in found if contender.result.name in wanted),
    ], [left_out] if left_out else []


def matmul_gflops(folder: Path, seconds: float, side: int) -> dict[str, float]:
    """Returns precision -> GFLOP/s of this machine, measured for some seconds each."""
    options = ("--seconds", str(seconds), "--side", str(side))
    command = (sys.executable, str(SCRIPTS / "matmul_peak.py"), *options)
    found: dict[str, float] = last_json(run(command, folder, environment=QUIET).output)
    progress("matmul: " + ", ".join(f"{rate:,.0f} GFLOP/s {name}" for name, rate in found.items()))
    return found


def compete(contender: "Contender", seed: int, folder: Path) -> None:
    """Runs a contender with a seed, and keeps what came of it: a result, or a failure."""
    result, known = contender.result, jobs(folder)
    sample = attempt(contender.arguments(seed), folder, environment=QUIET)
    try:
        values = told(sample, jobs(folder) - known)
        trial = Trial(seed, sample.seconds, sample.peak_mb, **values)
    except (ValueError, KeyError, TypeError) as error:
        lines = sample.output.strip().splitlines()[-LAST_LINES:]
        reason = "\n".join([f"{type(error).__name__}: {error}", *lines])
        result.failures.append(Failure(seed, sample.seconds, reason))
        progress(f"{result.title}, seed {seed}: FAILED\n{reason}")
        return
    result.trials.append(trial)
    progress(
        f"{result.title}, seed {seed}: {100 * trial.accuracy:.2f} %, {trial.fit_seconds:.1f} s "
        f"of fit, {trial.command_seconds:.1f} s in all"
    )


def jobs(folder: Path) -> set[Path]:
    """Returns the job folders of the runs in a folder."""
    return {file.parent for file in folder.glob(f"outputs/*/{journal.FILE_NAME}")}


def told(sample: Sample, job_dirs: set[Path]) -> dict[str, Any]:
    """Returns what a run has measured itself, for `Trial`.

    Args:
        sample: its process.
        job_dirs: that it made; a peer makes none, and prints a line of JSON instead.

    Raises:
        ValueError: it ended badly, or without a result.
    """
    if sample.exit_code:
        raise ValueError(f"exit code {sample.exit_code}")
    return recorded(job_dirs.pop()) if job_dirs else last_json(sample.output)


def recorded(job_dir: Path) -> dict[str, Any]:
    """Returns what the journal of a run has for `Trial`; of an ensemble, its members' too."""
    folders = [file.parent for file in job_dir.rglob(journal.FILE_NAME)]
    found = [entry.event for folder in folders for entry in journal.read(folder)]
    epochs = sum(
        isinstance(event, events.Metrics)
        and event.step is not None
        and "train/loss" in event.values
        for event in found
    )
    metrics: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for entry in journal.read(job_dir):
        if isinstance(entry.event, events.Metrics):
            metrics |= entry.event.values
        elif isinstance(entry.event, events.Dataset):
            sizes = entry.event.sizes
    return {
        "fit_seconds": metrics["time/fit_seconds"],
        "test_errors": round(metrics["test/errors"]),
        "test_images": sizes["test"],
        "test_loss": metrics["test/loss"],
        "parameters": round(metrics["model/parameters"]),
        "epochs": epochs,
        "train_images": sizes["train"],
    }


def last_json(output: str) -> dict[str, Any]:
    """Returns the last line of JSON that a process printed.

    Raises:
        ValueError: there is none.
    """
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            values: dict[str, Any] = json.loads(line)
            return values
    raise ValueError("Expected a line of JSON in the output. Received: none.")


def write(frontier: Frontier, file: Path) -> None:
    """Writes every value to a file of JSON."""
    file.write_text(json.dumps(record(frontier), indent=2) + "\n", encoding="utf-8")
