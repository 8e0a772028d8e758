"""The least confidence of an answer: counted by hand, and by trying every threshold."""

import numpy as np
import pytest

from mnist_exp.evaluation.selective import MOST_ERRORS, select


def rows(confidence, right):
    """Returns probabilities of the digit 0 with these confidences, and labels."""
    rest = (1 - np.array(confidence)[:, None]) / 9
    probabilities = np.concatenate([np.array(confidence)[:, None], rest.repeat(9, 1)], axis=1)
    return probabilities.astype(np.float32), np.where(right, 0, 1).astype(np.uint8)


def test_it_stops_before_the_first_mistake():
    found = select(*rows([0.9, 0.8, 0.7, 0.6], [True, True, False, True]))
    assert found.threshold == pytest.approx(0.8)
    assert found.coverage == 0.5
    assert found.error == 0


@pytest.mark.parametrize(("images", "answered"), [(1000, 1000), (999, 998)])
def test_one_answer_in_a_thousand_may_be_wrong(images, answered):
    found = select(*rows(np.linspace(0.9, 0.8, images), np.arange(images) < images - 1))
    assert found.coverage == answered / images
    assert found.error == (0.001 if answered == 1000 else 0)


def test_equal_confidences_are_answered_together():
    found = select(*rows([0.9, 0.8, 0.8], [True, True, False]))
    assert found.threshold == pytest.approx(0.9)


def test_all_right_answers_all():
    found = select(*rows([0.9, 0.5], [True, True]))
    assert found.coverage == 1
    assert found.threshold == pytest.approx(0.5)


def test_a_model_that_cannot_be_trusted_never_answers():
    for probabilities, labels in (
        rows([0.9, 0.8], [False, True]),
        (np.full((3, 10), np.nan, np.float32), np.zeros(3, np.uint8)),
    ):
        found = select(probabilities, labels)
        assert found.threshold > 1
        assert (found.coverage, found.error) == (0, 0)


def test_no_better_threshold_exists():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 5000)
    right = rng.random(5000) < confidence**0.05
    probabilities, labels = rows(confidence, right)
    found = select(probabilities, labels)
    greatest, wrong = probabilities.max(axis=1), labels != 0
    coverages = [
        (greatest >= t).mean() for t in greatest if wrong[greatest >= t].mean() <= MOST_ERRORS
    ]
    assert found.coverage == max(coverages, default=0)
    assert found.coverage == (greatest >= found.threshold).mean()
    assert found.error == wrong[greatest >= found.threshold].mean() <= MOST_ERRORS
