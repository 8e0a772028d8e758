"""Real pen strokes, drawn as people draw, read by the model of a run: how many digits are right.

The strokes are those of UNIPEN (Guyon et al. 1994), in a file `unipen/strokes.npz` beside `mnist/`.
They are for measuring: nothing is trained on them, and no setting is chosen by them. The errors on
them did suggest `augmentation=struck` (docs/recipes.md).
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from measuring import progress
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mnist_exp.core import cache
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.statistics import wilson_interval
from mnist_exp.inference import Recognizer
from mnist_exp.runs.recognizer import recognizer_of

CANVAS, DIGIT, PEN = 280, 200, 12  # pixels
FINER = 3  # the canvas is drawn so much larger, for soft edges


@dataclass(frozen=True)
class Way:
    """A way to draw: of a canvas of 280 pixels, a digit of 200 in its middle, a pen of 12."""

    name: str
    canvas: int = CANVAS
    digit: int = DIGIT
    pen: int = PEN
    in_corner: bool = False
    white_on_black: bool = False
    slant_degrees: float = 0


WAYS = (
    Way("as drawn: canvas 280, pen 12"),
    Way("pen 4", pen=4),
    Way("pen 30", pen=30),
    Way("a quarter of the canvas, in a corner", digit=CANVAS // 4, in_corner=True),
    Way("white on black", white_on_black=True),
    Way("slanted by 15 degrees", slant_degrees=15),
    Way("slanted by -15 degrees", slant_degrees=-15),
    Way("canvas 1,000, pen 12", canvas=1000, digit=700),
)


@dataclass(frozen=True)
class Result:
    """What came of one way to draw."""

    name: str
    digits: int
    right: int  # read as one digit, and that as the right one
    several: int  # read as more than one digit
    answered: int  # of which the model was sure
    wrong_answers: int  # among those
    milliseconds: float  # of reading one image


def show(options: argparse.Namespace, width: int | None) -> int:
    """Measures, prints the table, and writes the JSON file if one is asked for.

    Returns:
        The exit code.
    """
    try:
        recognizer, run = recognizer_of(options.run)
    except (RequestError, ExperimentError) as problem:
        Console(stderr=True, markup=False).print(str(problem))
        return 2 if isinstance(problem, RequestError) else 1
    file = Path(os.environ.get("MNIST_EXP_DATA") or cache.folder("datasets"), "unipen/strokes.npz")
    if not file.is_file():
        Console(stderr=True, markup=False).print(
            f"Expected the strokes in {file}. Received: no such file. Set MNIST_EXP_DATA to the "
            "folder that holds unipen/."
        )
        return 2
    digits = Digits(file)
    chosen = np.random.default_rng(0).permutation(len(digits.labels))[: options.digits]
    results = []
    for way in WAYS:
        results.append(measure(recognizer, digits, chosen, way))
        progress(f"{way.name}: {results[-1].right / len(chosen):.2%}")
    Console(highlight=False, width=width).print(table(results, run.name))
    if options.json is not None:
        lines = [asdict(result) for result in results]
        options.json.write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")
    return 0


class Digits:
    """The strokes of each digit."""

    def __init__(self, file: Path) -> None:
        """Reads the file."""
        with np.load(file) as arrays:
            self.labels: NDArray[np.uint8] = arrays["labels"]
            self._points: NDArray[np.float32] = arrays["points"]
            self._strokes: NDArray[np.int32] = arrays["stroke_offsets"]
            self._samples: NDArray[np.int32] = arrays["sample_offsets"]

    def strokes(self, index: int) -> Iterator[NDArray[np.float32]]:
        """Yields float32 [points, 2] for each stroke of a digit: x right, y down, in any unit."""
        for stroke in range(self._samples[index], self._samples[index + 1]):
            yield self._points[self._strokes[stroke] : self._strokes[stroke + 1]]


def measure(recognizer: Recognizer, digits: Digits, chosen: NDArray[np.int64], way: Way) -> Result:
    """Draws digits in one way and has them read."""
    right = several = answered = wrong = 0
    seconds = 0.0
    for index in chosen:
        image = draw(list(digits.strokes(index)), way)
        began = time.perf_counter()
        found = recognizer.read((image / 255).astype(np.float32)).digits
        seconds += time.perf_counter() - began
        correct = len(found) == 1 and found[0].value == digits.labels[index]
        right += correct
        several += len(found) > 1
        sure = bool(found) and all(digit.sure for digit in found)
        answered += sure
        wrong += sure and not correct
    return Result(
        way.name, len(chosen), right, several, answered, wrong, 1000 * seconds / len(chosen)
    )


def draw(strokes: list[NDArray[np.float32]], way: Way) -> NDArray[np.uint8]:
    """Returns uint8 [canvas, canvas]: lines with round ends between the points."""
    slant = math.tan(math.radians(way.slant_degrees))
    strokes = [stroke @ np.array([[1, 0], [-slant, 1]], np.float32) for stroke in strokes]
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = way.digit / max(float((high - low).max()), 1e-6)
    middle = np.full(2, way.digit / 2 + way.pen if way.in_corner else way.canvas / 2)
    image = Image.new("L", (way.canvas * FINER, way.canvas * FINER), 0)
    brush, radius = ImageDraw.Draw(image), way.pen * FINER / 2
    for stroke in strokes:
        places = ((stroke - (low + high) / 2) * scale + middle) * FINER
        brush.line(list(map(tuple, places)), fill=255, width=way.pen * FINER)
        for x, y in places:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    ink = np.asarray(image.reduce(FINER))
    return ink if way.white_on_black else 255 - ink


def table(results: list[Result], run: str) -> Table:
    """Returns the table: a row a way to draw."""
    shown = Table(box=SIMPLE_HEAD, title=f"{results[0].digits:,} pen-stroke digits, read by {run}")
    shown.title_justify = "left"
    for title in ("drawn", "right, %", "95 %", "in parts", "answered, %", "wrong of these", "ms"):
        shown.add_column(title, justify="left" if title == "drawn" else "right")
    for result in results:
        interval = wilson_interval(result.right, result.digits)
        shown.add_row(
            result.name,
            f"{100 * result.right / result.digits:.2f}",
            f"{100 * interval.low:.2f}-{100 * interval.high:.2f}",
            str(result.several),
            f"{100 * result.answered / result.digits:.1f}",
            f"{100 * result.wrong_answers / max(result.answered, 1):.2f} %",
            f"{result.milliseconds:.1f}",
        )
    return shown
