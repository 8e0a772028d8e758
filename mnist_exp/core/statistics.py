"""Intervals that say how far a measured number can be trusted, and tests of paired differences.

Only formulas: what is compared with what, and which runs belong together, is decided elsewhere.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, multimode
from typing import NamedTuple

LEVEL = 0.05  # a p below it says that two things differ
# Of the difference of two numbers that were each rounded to steps of 1.
_ROUNDING_DEVIATION = math.sqrt(2 / 12)


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


class Summary(NamedTuple):
    """A few values of the same thing, one per seed, such as accuracies."""

    mean: float
    deviation: float | None  # standard deviation; None of a single one
    low: float  # 95 % interval; NaN where nothing is known of it
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
    mean, deviation = _mean_and_deviation(values)
    half_width = float(stdtrit(count - 1, 0.5 + confidence / 2)) * deviation / math.sqrt(count)
    return Interval(mean - half_width, mean + half_width)


def summarize(values: Sequence[float], images: int | None) -> Summary:
    """Returns the mean of values over seeds, with the interval that fits their number.

    Args:
        values: At least one.
        images: Of which each is the share that was recognised, at least 1; None of numbers that
            are no accuracies.

    Returns:
        Of several, Student's t interval of the mean, that of accuracies cut to [0, 1]. Of one
        accuracy, Wilson's interval, and of several that agree by chance, of which no interval of
        width 0 follows; of other numbers then none.
    """
    first = values[0]
    if len(set(values)) == 1:  # a sum of equal floats, divided by their number, may differ
        deviation = 0.0 if len(values) > 1 else None
        if images is None:
            return Summary(first, deviation, math.nan, math.nan)
        return Summary(first, deviation, *wilson_interval(round(first * images), images))
    mean, deviation = _mean_and_deviation(values)
    low, high = mean_interval(values)
    if images is not None:
        low, high = max(0.0, low), min(1.0, high)
    return Summary(mean, deviation, low, high)


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Returns the two-sided p value of the exact McNemar test.

    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), by the binomial distribution instead of the normal
    approximation. Example 1 of Fagerland, Lydersen and Laake, "The McNemar test for binary
    matched-pairs data", BMC Medical Research Methodology 13:91 (2013), has 1 and 7, and p = 0.070.

    Args:
        only_first: Images that only the first classifier recognises; what both recognise, or
            neither, tells nothing.
        only_second: Images that only the second recognises.

    Raises:
        ValueError: If a count is negative.

    Example:
        >>> f"{mcnemar_test(1, 7):.3f}"
        '0.070'
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"Expected counts >= 0. Received: {only_first} and {only_second}.")
    from scipy.special import bdtr

    smaller, both = min(only_first, only_second), only_first + only_second
    return min(1.0, 2 * float(bdtr(smaller, both, 0.5)))


def paired_t_test(differences: Sequence[float], resolution: float = 0.0) -> float:
    """Returns the two-sided p value of Student's t test of paired differences.

    Student, "The probable error of a mean", Biometrika 6 (1908), whose ten patients gained 1.58
    hours of sleep more by the second drug: t = 4.06, p = 0.0028.

    Args:
        differences: At least two, such as one difference of accuracies per seed.
        resolution: The step in which they were counted, such as one image in 10,000. They are
            taken to vary at least as much as numbers rounded to such steps do; so two seeds that
            happen to differ by the same count prove nothing.

    Raises:
        ValueError: If there are fewer than two differences.

    Example:
        >>> f"{paired_t_test([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]):.4f}"
        '0.0028'
    """
    from scipy.special import stdtr

    count = len(differences)
    mean, deviation = _mean_and_deviation(differences)
    if mean == 0:
        return 1.0
    deviation = max(deviation, resolution * _ROUNDING_DEVIATION)
    if deviation == 0:
        return 0.0
    return 2 * float(stdtr(count - 1, -abs(mean) / deviation * math.sqrt(count)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values adjusted for their number, in the same order.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979). The chance of at least one false finding among all stays at the level that
    the adjusted values are compared with, whatever their dependence.

    Example:
        >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03, 0.005])]
        [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def pairs_needed(
    mean: float, deviation: float, *, level: float = 0.05, power: float = 0.8, most: int = 1000
) -> int | None:
    """Returns how many pairs a two-sided paired t test needs to find a difference.

    By the noncentral t distribution: Cohen, "Statistical Power Analysis for the Behavioral
    Sciences" (1988), section 2.5. For a mean of half a deviation 34 pairs give a power of 0.8.

    Args:
        mean: Of the differences.
        deviation: Their standard deviation, above 0.
        level: That p has to be below.
        power: The chance to find the difference, if it is as given.
        most: Where to stop looking.

    Returns:
        At least 2; None where `most` are too few.

    Example:
        >>> pairs_needed(0.5, 1.0)
        34
    """
    from scipy.special import nctdtr, stdtrit

    def finds(pairs: int) -> bool:
        limit = float(stdtrit(pairs - 1, 1 - level / 2))
        shift = abs(mean) / deviation * math.sqrt(pairs)
        return 1 - float(nctdtr(pairs - 1, shift, limit)) >= power

    low, high = 1, 2  # the power grows with the pairs
    while not finds(high):
        low, high = high, 2 * high
        if low >= most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high if high <= most else None


def usual(counts: Iterable[int]) -> int:
    """Returns the count that most have, of equals the greatest; 0 of none."""
    return max(multimode(counts), default=0)


def standard_deviation(values: Sequence[float]) -> float:
    """Returns the standard deviation of a sample of at least two, by one less than their number.

    Raises:
        ValueError: If there are fewer than two.
    """
    return _mean_and_deviation(values)[1]


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    count = len(values)
    if count <= 1:
        raise ValueError(f"Expected at least two values. Received: {count}.")
    mean = math.fsum(values) / count
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
