"""An image -> the digits in it, each with its place, its probabilities and whether they suffice."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.errors import RequestError
from mnist_exp.inference.ink import find_ink
from mnist_exp.inference.model import Model
from mnist_exp.inference.normalization import normalize
from mnist_exp.inference.segmentation import Box, Segment, segment

MOST_DIGITS = 500

_NEARLY_ALL = 0.9995  # would be rounded to 100.0%


@dataclass(frozen=True, eq=False)
class Digit:
    """One digit that was found."""

    box: Box  # where it is, in pixels of the image as it was decoded
    pixels: NDArray[np.uint8]  # uint8 [28, 28], ink bright: what the model saw
    probabilities: NDArray[np.float32]  # float32 [10]
    sure: bool  # whether the greatest probability reaches the model's threshold
    line: int = 0  # of the writing, from above

    @property
    def value(self) -> int:
        """The most probable digit, 0-9."""
        return int(self.probabilities.argmax())

    @property
    def alternatives(self) -> tuple[int, int]:
        """The two most probable digits, the first of them `value`."""
        first, second = (-self.probabilities).argsort(kind="stable")[:2].tolist()
        return first, second

    @property
    def likely(self) -> str:
        """The alternatives in words, such as "4 (51.0%) or 9 (44.2%)"."""
        if self.confidence >= _NEARLY_ALL:
            return f"{self.value} (over 99.9%)"
        return " or ".join(f"{i} ({self.probabilities[i]:.1%})" for i in self.alternatives)

    @property
    def confidence(self) -> float:
        """The probability of `value`."""
        return float(self.probabilities.max())


@dataclass(frozen=True, eq=False)
class Reading:
    """What an image says."""

    digits: tuple[Digit, ...]  # in reading order; empty: nothing is drawn

    @property
    def text(self) -> str:
        """The digits as text, `?` for one that is unsure, a space between two lines."""
        lines = groupby(self.digits, key=lambda digit: digit.line)
        return " ".join(
            "".join(str(digit.value) if digit.sure else "?" for digit in line) for _, line in lines
        )


class Recognizer:
    """Reads images with one model."""

    def __init__(self, model: Model) -> None:
        """Remembers the model."""
        self.model = model

    def read(self, grey: NDArray[np.float32]) -> Reading:
        """Finds and recognises the digits of an image.

        Args:
            grey: float32 [H, W], 0 black to 1 white, as `decode` returns it.

        Raises:
            RequestError: there is too much in it.
        """
        segments = find(grey)
        images = np.stack([normalize(found.ink) for found in segments]) if segments else _NONE
        return Reading(
            tuple(
                Digit(found.box, pixels, row, bool(row.max() >= self.model.threshold), found.line)
                for found, pixels, row in zip(
                    segments, images, self.model.probabilities(images), strict=True
                )
            )
        )


_NONE = np.empty((0, 28, 28), np.uint8)


def find(grey: NDArray[np.float32]) -> list[Segment]:
    """Returns the ink of each digit of an image, in reading order; see `Recognizer.read`."""
    ink = find_ink(grey)
    found = [] if ink is None else segment(ink)
    if len(found) > MOST_DIGITS:
        raise RequestError(
            f"Expected an image with at most {MOST_DIGITS} digits. Received: one with "
            f"{len(found)} marks. Cut out the part that shows digits."
        )
    return found
