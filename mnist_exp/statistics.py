"""Intervals that say how far a measured number can be trusted.

Only formulas: what is compared with what, and which runs belong together, is decided elsewhere.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Returns the score interval of a proportion, such as an accuracy over test images.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
    without continuity correction. Unlike the normal approximation it never leaves [0, 1], and it
    has a width at 0 and 1.

    Args:
        successes: 0 to `trials`.
        trials: At least 1.
        confidence: In (0, 1), two-sided.

    Raises:
        ValueError: If there are no trials or the numbers do not fit each other.

    Example:
        >>> low, high = wilson_interval(9927, 10_000)
        >>> f"{low:.4f} {high:.4f}"
        '0.9908 0.9942'
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"Expected 0 <= successes <= trials. Received: {successes} of {trials}.")
    z_squared = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    failures = trials - successes
    centre = successes + z_squared / 2
    half_width = math.sqrt(z_squared * (successes * failures / trials + z_squared / 4))
    total = trials + z_squared
    # At 0 and 1 the formula touches the end exactly; rounding must not step over it.
    low = 0.0 if successes == 0 else (centre - half_width) / total
    high = 1.0 if failures == 0 else (centre + half_width) / total
    return Interval(low, high)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Returns Student's t interval of the mean of a few values, such as one accuracy per seed.

    Student, "The probable error of a mean", Biometrika 6 (1908). It takes the values for
    independent and roughly normal.

    Args:
        values: At least two.
        confidence: In (0, 1), two-sided.

    Raises:
        ValueError: If there are fewer than two values: one says nothing about spread.

    Example:
        >>> low, high = mean_interval([0.9921, 0.9927, 0.9930])
        >>> f"{low:.4f} {high:.4f}"
        '0.9915 0.9937'
    """
    from scipy.special import stdtrit  # only reports over seeds need SciPy, so runs do not wait

    count = len(values)
    if count <= 1:
        raise ValueError(f"Expected at least two values. Received: {count}.")
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half_width = float(stdtrit(count - 1, 0.5 + confidence / 2)) * math.sqrt(variance / count)
    return Interval(mean - half_width, mean + half_width)
