import math

import pytest
from scipy import stats

from mnist_exp.statistics import mean_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven
        # methods", Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_examples(successes, trials, low, high):
    interval = wilson_interval(successes, trials)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize("trials", [1, 7, 10_000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_wilson_agrees_with_scipy_and_stays_within_zero_and_one(trials, confidence):
    for successes in {0, 1, trials // 2, trials - 1, trials}:
        interval = wilson_interval(successes, trials, confidence)
        expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        assert interval == pytest.approx(tuple(expected), abs=1e-12)
        assert 0 <= interval.low <= successes / trials <= interval.high <= 1
        mirrored = wilson_interval(trials - successes, trials, confidence)
        assert mirrored == pytest.approx((1 - interval.high, 1 - interval.low))


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match=f"Received: {successes} of {trials}"):
        wilson_interval(successes, trials)


def test_mean_interval_agrees_with_a_published_example():
    """NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2, data ZARR13.DAT.

    195 measurements with mean 9.261460 and standard deviation 0.02278881 have the 95 % interval
    9.258242 to 9.264679. Values with exactly that mean and deviation stand in for the data.
    """
    count, mean, deviation = 195, 9.261460, 0.02278881
    shape = [index - (count - 1) / 2 for index in range(count)]
    scale = deviation / math.sqrt(sum(value**2 for value in shape) / (count - 1))
    interval = mean_interval([mean + scale * value for value in shape])
    assert interval == pytest.approx((9.258242, 9.264679), abs=1e-6)


@pytest.mark.parametrize("values", [[0.99, 0.98], [0.9921, 0.9927, 0.9930], [1.0, 1.0, 1.0]])
def test_mean_interval_agrees_with_scipy(values):
    expected = (
        stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
        if len(set(values)) > 1
        else (1.0, 1.0)
    )
    assert mean_interval(values, 0.9) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("values", [[], [0.99]])
def test_mean_interval_needs_two_values(values):
    with pytest.raises(ValueError, match=f"Received: {len(values)}"):
        mean_interval(values)
