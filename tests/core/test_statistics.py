import math

import pytest
from scipy import stats

from mnist_exp.core.statistics import (
    holm,
    mcnemar_test,
    mean_interval,
    paired_t_test,
    pairs_needed,
    standard_deviation,
    summarize,
    wilson_interval,
)


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


def test_rounding_does_not_step_over_zero_and_one():
    for trials in range(1, 500):
        assert wilson_interval(0, trials).low == 0
        assert wilson_interval(trials, trials).high == 1


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


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_seeds_that_agree_have_the_interval_of_their_images_whatever_rounding_does(count):
    for right in range(4900, 5001):
        found = summarize([right / 5000] * count, 5000)
        assert found == (right / 5000, 0.0, *wilson_interval(right, 5000))


def test_one_accuracy_has_no_deviation_and_several_an_interval_within_zero_and_one():
    assert summarize([0.99], 1000) == (0.99, None, *wilson_interval(990, 1000))
    low, high = mean_interval([0.999, 0.95])
    assert high > 1
    assert summarize([0.999, 0.95], 1000)[2:] == (low, 1.0)
    low, high = mean_interval([0.001, 0.05])
    assert low < 0
    assert summarize([0.001, 0.05], 1000)[2:] == (0.0, high)


def test_a_deviation_is_that_of_a_sample():
    assert standard_deviation([1.0, 2.0, 4.0]) == pytest.approx(stats.tstd([1, 2, 4]))


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        # Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p and
        # asymptotic are better than exact conditional", BMC Medical Research Methodology 13:91
        # (2013): airway hyper-responsiveness of 21 children, response of 161 patients to treatment.
        (1, 7, 0.070),
        (6, 16, 0.052),
    ],
)
def test_mcnemar_agrees_with_published_examples(only_first, only_second, p):
    assert mcnemar_test(only_first, only_second) == pytest.approx(p, abs=5e-4)
    assert mcnemar_test(only_second, only_first) == mcnemar_test(only_first, only_second)


@pytest.mark.parametrize("counts", [(0, 0), (0, 1), (3, 3), (0, 40), (12, 30), (500, 600)])
def test_mcnemar_agrees_with_the_binomial_test(counts):
    expected = stats.binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
    assert mcnemar_test(*counts) == pytest.approx(expected)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="Received: -1 and 3"):
        mcnemar_test(-1, 3)


def test_paired_t_test_agrees_with_student():
    """Student (1908): additional hours of sleep by two drugs, ten patients; p by R's `t.test`."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    assert paired_t_test(differences) == pytest.approx(0.002833, abs=5e-7)
    assert paired_t_test(differences) == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_equal_differences_prove_no_more_than_their_resolution():
    assert paired_t_test([0.0, 0.0, 0.0]) == 1.0
    assert paired_t_test([0.0003, 0.0003]) == 0.0
    assert paired_t_test([0.0003, 0.0003], resolution=0.0001) > 0.05
    # The difference of two rounded numbers has a variance of two twelfths: t = sqrt(2 * 9 * 6).
    p = 2 * stats.t.sf(math.sqrt(108), 1)
    assert paired_t_test([0.0003, 0.0003], resolution=0.0001) == pytest.approx(p)
    assert paired_t_test([0.0030, 0.0030, 0.0030], resolution=0.0001) < 0.001


def test_paired_t_test_needs_two_differences():
    with pytest.raises(ValueError, match="Received: 1"):
        paired_t_test([0.1])


def test_holm_agrees_with_a_published_example():
    """Wikipedia, "Holm-Bonferroni method", example: only 0.005 and 0.01 are significant at 0.05."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_of_few_and_of_large_values():
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("effect", "pairs"),
    # Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), table 2.4.1; the exact
    # numbers as G*Power 3 (Faul et al., Behavior Research Methods 39, 2007) has them.
    [(0.2, 199), (0.5, 34), (0.8, 15)],
)
def test_pairs_needed_agrees_with_published_tables(effect, pairs):
    assert pairs_needed(effect, 1.0) == pairs
    assert pairs_needed(-3 * effect, 3.0) == pairs


# Among them some where one degree of freedom more would give another number.
@pytest.mark.parametrize("effect", [0.1, 0.3, 0.52, 0.56, 0.9, 1.2, 1.68, 2, 3, 10])
def test_one_pair_fewer_would_find_it_less_often_than_wanted(effect):
    """By SciPy's own noncentral t distribution."""

    def power(pairs):
        limit = stats.t.ppf(0.975, pairs - 1)
        return stats.nct.sf(limit, pairs - 1, effect * math.sqrt(pairs))

    pairs = pairs_needed(effect, 1.0)
    assert power(pairs) >= 0.8
    assert pairs == 2 or power(pairs - 1) < 0.8
    assert pairs_needed(effect, 1.0, most=pairs) == pairs
    assert pairs_needed(effect, 1.0, most=pairs - 1) is None


def test_a_thousand_pairs_are_looked_at():
    assert pairs_needed(0.0887, 1.0) == 1000
    assert pairs_needed(0.08865, 1.0) is None
    assert pairs_needed(0.08865, 1.0, most=1001) == 1001


def test_pairs_needed_of_large_and_of_small_effects():
    assert pairs_needed(1000.0, 1.0) == 2
    assert pairs_needed(5.0, 1.0) == 3
    assert pairs_needed(0.01, 1.0) is None
    assert pairs_needed(0.0, 1.0) is None
    assert pairs_needed(0.5, 1.0, most=33) is None
