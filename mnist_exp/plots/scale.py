"""The axes of pictures: that of accuracies, which differ little at the top and a lot below."""

import math
from collections.abc import Sequence
from typing import Protocol

from matplotlib.ticker import MaxNLocator

_SEVERAL = 5  # times the least error
_FEW_TICKS = 2
_ROUNDING = 1 + 1e-9  # 1 - 0.95 is a little more than 0.05


class Scale(Protocol):
    """Where values lie on an axis, and what stands beside it."""

    words: str  # what sets it apart from a plain one; empty of that

    def height(self, value: float) -> float:
        """Returns where a value lies, 0-1."""

    def ticks(self) -> dict[str, float]:
        """Returns label -> height, of round values in the range; at least one."""


class AccuracyScale:
    """Turns accuracies into heights, 0-1, logarithmic in the error.

    It ends, at the bottom, where the error is several times the least one and at least half of the
    configs lie above; those below lie on its end, whose label says so.
    """

    words = "Logarithmic in the error."

    def __init__(self, accuracies: Sequence[float]) -> None:
        """Learns the range; an accuracy of 1 gets half the least error beside it."""
        errors = sorted(1 - accuracy for accuracy in accuracies)
        least = next((error for error in errors if error > 0), 0.01) / (1 if errors[0] > 0 else 2)
        most = max(_SEVERAL * least, errors[len(errors) // 2])
        self._rounds = [m * 10.0**e for e in range(-5, 1) for m in (1, 2, 5)]
        cut = next(error for error in self._rounds if error * _ROUNDING >= min(most, 1))
        self._cut = errors[-1] > cut * _ROUNDING
        self._least, self._most = least, cut if self._cut else max(errors[-1], least)

    def height(self, value: float) -> float:
        """Returns where an accuracy lies."""
        if self._most <= self._least:
            return 0.5
        error = min(max(1 - value, self._least), self._most)
        return math.log(self._most / error) / math.log(self._most / self._least)

    def ticks(self) -> dict[str, float]:
        """Returns label, in %, -> height, of round accuracies in the range; at least one."""
        worst, best = 1 - self._most, 1 - self._least
        ticks = [
            1 - error
            for error in self._rounds
            if self._least <= error * _ROUNDING <= self._most * _ROUNDING**2
        ]
        if len(ticks) <= _FEW_TICKS:
            ticks = round_numbers(worst, best) or [worst]
        labels = {f"{100 * tick:.6g}": self.height(tick) for tick in ticks}
        if self._cut:
            labels.pop(f"{100 * worst:.6g}", None)
            labels[f"\N{LESS-THAN OR EQUAL TO} {100 * worst:.6g}"] = 0.0
        return labels


class LinearScale:
    """Turns numbers into heights, 0-1, from the least to the greatest."""

    words = ""

    def __init__(self, values: Sequence[float]) -> None:
        """Learns the range."""
        self._low, self._high = min(values), max(values)

    def height(self, value: float) -> float:
        """Returns where a number lies."""
        span = self._high - self._low
        return (value - self._low) / span if span else 0.5

    def ticks(self) -> dict[str, float]:
        """Returns label -> height, of round numbers in the range; at least one."""
        ticks = round_numbers(self._low, self._high) or [self._low]
        return {f"{tick:.6g}": self.height(tick) for tick in ticks}


def round_numbers(low: float, high: float) -> list[float]:
    """Returns a few round numbers in a range, both ends included."""
    found = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(number) for number in found if low <= number <= high]


def fitting(text: str, characters: int) -> str:
    """Returns text without its middle where it is too long: both ends tell names apart."""
    if len(text) <= characters:
        return text
    tail = (characters - 1) // 2
    return f"{text[: characters - 1 - tail]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - tail :]}"
