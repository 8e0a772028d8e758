"""Two results side by side: what is the same, and what decides."""

import numpy as np

from mnist_exp.evidence import Predictions
from mnist_exp.reproduction.verdict import Result, Verdict, compare

DIGITS = np.tile(np.arange(10, dtype=np.uint8), 20)


def result(metrics, weights="ab"):
    return Result(weights, metrics, Predictions(DIGITS, DIGITS.copy()))


RECORDED = {("test/accuracy", 0): 1.0, ("train/loss", 1): 0.5}


def test_the_same_weights_and_metrics_are_identical():
    assert compare(result(RECORDED), result(dict(RECORDED))).verdict is Verdict.IDENTICAL


def test_a_metric_that_later_code_added_decides_nothing():
    found = compare(result(RECORDED), result({**RECORDED, ("selective/threshold", 0): 0.6}))
    assert found.verdict is Verdict.IDENTICAL
    assert found.differing == ()


def test_a_metric_that_is_missing_or_other_counts():
    missing = compare(result(RECORDED), result({("test/accuracy", 0): 1.0}))
    assert missing.verdict is Verdict.NOT_DISTINGUISHABLE
    assert missing.differing == (("train/loss", 1),)
    other = compare(result(RECORDED), result({**RECORDED, ("train/loss", 1): 0.6}))
    assert other.differing == (("train/loss", 1),)
