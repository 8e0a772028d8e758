"""How well a model reads drawings that were filed: counted from the image file on, and printed."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mnist_exp.core import terminal
from mnist_exp.core.errors import RequestError
from mnist_exp.core.statistics import Interval, wilson_interval
from mnist_exp.inference import Recognizer, decode
from mnist_exp.inference.decoding import read
from mnist_exp.inference.drawings import Drawing

_TOO_MANY = "too many marks"


@dataclass(frozen=True)
class Mistake:
    """A drawing that was not read as what it shows."""

    drawing: Drawing
    answer: str  # the digits that were found; empty where none was, or `_TOO_MANY`


@dataclass(frozen=True)
class Measured:
    """What a model makes of drawings."""

    drawings: int
    unsure: int  # of those with one digit
    mistakes: tuple[Mistake, ...]

    @property
    def correct(self) -> int:
        """How many were read as one digit, and that as the right one."""
        return self.drawings - len(self.mistakes)

    @property
    def not_one_digit(self) -> int:
        """In how many none was found, or several."""
        return sum(len(mistake.answer) != 1 for mistake in self.mistakes)

    @property
    def interval(self) -> Interval:
        """The 95 % Wilson interval of the accuracy."""
        return wilson_interval(self.correct, self.drawings)

    def metrics(self) -> dict[str, float]:
        """Returns what a run records of it."""
        low, high = self.interval
        return {
            "accuracy": self.correct / self.drawings,
            "accuracy_low": low,
            "accuracy_high": high,
            "drawings": self.drawings,
            "errors": len(self.mistakes),
            "unsure": self.unsure,
            "not_one_digit": self.not_one_digit,
        }

    def confusions(self) -> list[tuple[int, str, int]]:
        """Returns label, answer and how often; the most frequent first."""
        counted = Counter((m.drawing.label, m.answer) for m in self.mistakes)
        ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        return [(label, answer, times) for (label, answer), times in ranked]

    def example(self, label: int, answer: str) -> str:
        """Returns the path of a drawing that was mistaken so."""
        same = (m.drawing for m in self.mistakes if (m.drawing.label, m.answer) == (label, answer))
        return str(next(same).path)


def measure(
    recognizer: Recognizer,
    drawings: Sequence[Drawing],
    watched: Callable[[Sequence[Drawing]], Iterable[Drawing]] = iter,
) -> Measured:
    """Reads drawings as `predict` does, from the file on, and counts.

    A drawing in which no digit is found, or several, is read wrongly. One that is unsure counts by
    its most probable digit, and is told apart.

    Args:
        recognizer: what reads them.
        drawings: at least one.
        watched: shows how far it is.

    Raises:
        RequestError: a file is no image.
    """
    unsure, mistakes = 0, []
    for drawing in watched(drawings):
        grey = decode(read(drawing.path), str(drawing.path))
        try:
            digits = recognizer.read(grey).digits
        except RequestError:
            mistakes.append(Mistake(drawing, _TOO_MANY))
            continue
        answer = "".join(str(digit.value) for digit in digits)
        unsure += len(digits) == 1 and not digits[0].sure
        if answer != str(drawing.label):
            mistakes.append(Mistake(drawing, answer))
    return Measured(len(drawings), unsure, tuple(mistakes))


def show(title: str, found: Measured) -> None:
    """Prints what was measured to stdout.

    Args:
        title: the run's name, and on what it was measured.
        found: what was measured.
    """
    from rich.table import Table

    console = terminal.console(soft_wrap=True)
    low, high = found.interval
    console.print(title, style="bold")
    accuracy = found.correct / found.drawings
    console.print(f"accuracy  {accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%})")
    console.print(f"unsure of {found.unsure}; {found.not_one_digit} not read as one digit")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("shows", "read as", "times", "such as"):
        table.add_column(column, justify="right" if column == "times" else "left")
    for label, answer, times in found.confusions():
        table.add_row(str(label), answer or "nothing", str(times), found.example(label, answer))
    if found.mistakes:
        console.print(table)
