"""What a person sees of a run: a live line while it trains, a line an epoch, a table at its end.

Progress goes to stderr and to the run's log; only the table goes to stdout.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from mnist_exp import training

logger = logging.getLogger("mnist_exp")


class Reporter:
    """Tells a person, and the log, how a training goes."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._epoch = self._live.add_task("", total=None, text="", visible=False)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the live line, on a terminal, while the training lasts."""
        with self._live:
            yield

    def say(self, text: str) -> None:
        """Prints a line and logs it."""
        logger.info(text)
        self._console.print(text, markup=False, soft_wrap=True)

    def progress(self, progress: "training.Progress") -> None:
        """Moves the live line."""
        self._live.update(
            self._epoch,
            description=f"epoch {progress.epoch}/{progress.epochs}",
            completed=progress.images,
            total=progress.epoch_images,
            visible=True,
            text=(
                f"loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  "
                f"{progress.images_per_second:,.0f} images/s  {_duration(progress.seconds_left)} left"
            ),
        )

    def epoch(self, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
        """Prints one plain line for an epoch that is over."""
        line = (
            f"epoch {epoch:>{len(str(epochs))}}/{epochs}  loss {metrics['train/loss']:.4f}  "
            f"accuracy {metrics['train/accuracy']:.2%}"
        )
        if "val/loss" in metrics:
            line += f"  val loss {metrics['val/loss']:.4f}  val accuracy {metrics['val/accuracy']:.2%}"
        self.say(f"{line}  {metrics['images_per_second']:,.0f} images/s")


def result_table(title: str, rows: Mapping[str, str]) -> Table:
    """Returns a small table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False, title_style="bold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def show(table: Table) -> None:
    """Prints a table to stdout."""
    Console(highlight=False, soft_wrap=True).print(table)


@contextmanager
def log_file(file: Path) -> Iterator[None]:
    """Sends what the package logs to a file too."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
