"""What a person sees of a run: a live line while it trains, a line an epoch, a table at its end.

Progress goes to stderr and to the run's log; only the table goes to stdout.
"""

import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, track
from rich.table import Table

from mnist_exp.core import terminal
from mnist_exp.core.text import percent
from mnist_exp.evaluation.names import (
    FIT_SECONDS,
    IMAGES_PER_SECOND,
    PARAMETERS,
    TEST,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
    TEST_ECE,
    TEST_ERRORS,
    TEST_LOSS,
    TOTAL_SECONDS,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
)

if TYPE_CHECKING:
    from mnist_exp.evaluation.robustness import Robustness
    from mnist_exp.training import loop

logger = logging.getLogger("mnist_exp")
Item = TypeVar("Item")


class Reporter:
    """Tells a person, and the log, how a training goes."""

    silent = False  # of all: where a sweep tells of many runs together

    def __init__(self) -> None:
        """Looks whether stderr is a terminal."""
        self._console = terminal.console(stderr=True, quiet=self.silent)
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}"),
            console=self._console,
            transient=True,
            disable=self.silent or not self._console.is_terminal,
        )
        self._epoch = self._live.add_task("", total=None, text="", visible=False)
        self._diverged = False

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the live line, on a terminal, while the training lasts."""
        with self._live:
            yield

    def say(self, text: str) -> None:
        """Prints a line and logs it."""
        logger.info(terminal.printable(text))
        self._console.print(text, soft_wrap=True)

    def progress(self, progress: "loop.Progress") -> None:
        """Moves the live line."""
        self._live.update(
            self._epoch,
            description=f"epoch {progress.epoch}/{progress.epochs}",
            completed=progress.images,
            total=progress.epoch_images,
            visible=True,
            text=(
                f"loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  "
                f"{progress.images_per_second:,.0f} images/s  "
                f"{duration(progress.seconds_left)} left"
            ),
        )

    def epoch(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """Prints one plain line for an epoch that is over."""
        line = (
            f"epoch {epoch:>{len(str(epochs))}}/{epochs}  loss {metrics[TRAIN_LOSS]:.4f}  "
            f"accuracy {metrics[TRAIN_ACCURACY]:.2%}"
        )
        if VAL_LOSS in metrics:
            line += f"  val loss {metrics[VAL_LOSS]:.4f}  val accuracy {metrics[VAL_ACCURACY]:.2%}"
        self.say(f"{line}  {metrics[IMAGES_PER_SECOND]:,.0f} images/s")
        if not (self._diverged or math.isfinite(metrics[TRAIN_LOSS])):
            self._diverged = True
            self.say(
                "The loss is no finite number: training diverged, and learns nothing any more. "
                "Lower optimizer.learning_rate."
            )


def show_result(title: str, metrics: Mapping[str, float], where: str | None = None) -> None:
    """Prints what was measured to stdout, as a small table.

    Args:
        title: the run's name, and on what it was measured.
        metrics: the run's, by their names in MLflow.
        where: where to find more, if there is more.
    """
    table = Table(title=title, caption=where, show_header=False, title_justify="left")
    table.caption_justify, table.title_style = "left", "bold"
    for label, value in _results(metrics):
        table.add_row(label, value)
    terminal.console(soft_wrap=True).print(table)


# Of the test images, whatever a config asks for.
_BUILT_IN = {
    TEST_ACCURACY, TEST_ACCURACY_LOW, TEST_ACCURACY_HIGH, TEST_ECE, TEST_ERRORS, TEST_LOSS,
}  # fmt: skip


def _results(metrics: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    low, high = metrics[TEST_ACCURACY_LOW], metrics[TEST_ACCURACY_HIGH]
    yield (
        "test accuracy",
        f"{metrics[TEST_ACCURACY]:.2%}  (95 % interval {low:.2%} to {high:.2%})",
    )
    yield "test loss", f"{metrics[TEST_LOSS]:.4f}"
    yield "test errors", f"{metrics[TEST_ERRORS]:,.0f}"
    for name, value in metrics.items():
        if name.startswith(TEST) and name not in _BUILT_IN:
            yield f"test {name.removeprefix(TEST)}", f"{value:.4f}"
    if VAL_ACCURACY in metrics:
        yield "validation accuracy", f"{metrics[VAL_ACCURACY]:.2%}"
    if PARAMETERS in metrics:
        yield "parameters", f"{metrics[PARAMETERS]:,.0f}"
        yield (
            "time",
            (f"{metrics[FIT_SECONDS]:.1f} s of fit, {metrics[TOTAL_SECONDS]:.1f} s in all"),
        )


def show_robustness(title: str, found: "Robustness") -> None:
    """Prints the accuracy on corrupted test images to stdout: a row a corruption, all in percent.

    Args:
        title: the run's name, and what was corrupted.
        found: what was measured.
    """
    strengths = [f"strength {i}" for i, _ in enumerate(found.by_strength, start=1)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column, name in enumerate(["accuracy, %", *strengths, "mean"]):
        table.add_column(name, justify="right" if column else "left", no_wrap=True)
    for one in found.corruptions:
        table.add_row(one.name, *map(percent, [*one.accuracies, one.accuracy]))
    table.add_row("mean", *map(percent, [*found.by_strength, found.accuracy]), style="bold")
    mean, clean = found, found.clean
    console = terminal.console(soft_wrap=True)
    console.print(title, style="bold")
    console.print(table)
    for label, accuracy, low, high in (
        ("corrupted", mean.accuracy, mean.accuracy_low, mean.accuracy_high),
        ("clean", clean.accuracy, clean.accuracy_low, clean.accuracy_high),
    ):
        console.print(f"{label:<9}  {accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%})")


def watched(items: Sequence[Item], description: str) -> Iterable[Item]:
    """Yields items; on a terminal, a live line on stderr shows how many are left."""
    console = terminal.console(stderr=True)
    return track(
        items, description, console=console, transient=True, disable=not console.is_terminal
    )


@contextmanager
def silent() -> Iterator[None]:
    """Keeps what runs tell from the terminal; it still goes to their logs."""
    before, Reporter.silent = Reporter.silent, True
    try:
        yield
    finally:
        Reporter.silent = before


class _LogFile(logging.FileHandler):
    """A log that a full disk may cut short, without a traceback in the terminal for each line."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging has it
        problem = sys.exception()
        if not isinstance(problem, OSError):
            super().handleError(record)
        elif not self.told:
            self.told = True
            terminal.say(f"Lines of {self.baseFilename} are lost: {problem.strerror}.", error=True)


@contextmanager
def log_file(file: Path) -> Iterator[None]:
    """Sends what the package logs to a file too."""
    handler = _LogFile(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        with suppress(OSError):  # of which `_LogFile` has told
            handler.close()


def duration(seconds: float) -> str:
    """Returns a time in words: `7 s`, minutes and seconds as `2:05`, or hours too as `1:02:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
