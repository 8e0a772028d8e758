import numpy as np
import pytest
from scipy import special

from mnist_exp.core.statistics import wilson_interval
from mnist_exp.evaluation.metrics import calibrate, evaluate, expected_calibration_error


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(0, 10, size=500).astype(np.uint8)


@pytest.fixture
def logits(labels):
    logits = np.random.default_rng(2).normal(scale=3, size=(len(labels), 10))
    logits[np.arange(len(labels)), labels] += 5
    return logits.astype(np.float32)


def test_an_evaluation_agrees_with_direct_definitions(logits, labels):
    result = evaluate(logits, labels)
    expected = special.softmax(logits.astype(np.float64), axis=1)
    assert result.probabilities == pytest.approx(expected, abs=1e-7)
    assert result.probabilities.dtype == np.float32
    assert result.loss == pytest.approx(-np.log(expected[np.arange(500), labels]).mean())
    assert np.array_equal(result.predictions, logits.argmax(axis=1))
    assert result.predictions.dtype == np.uint8
    assert result.errors == int((result.predictions != labels).sum()) > 0
    assert result.accuracy == 1 - result.errors / 500
    interval = wilson_interval(500 - result.errors, 500)
    assert (result.accuracy_low, result.accuracy_high) == interval


def test_confusion_has_true_digits_as_rows(logits, labels):
    result = evaluate(logits, labels)
    assert result.confusion.dtype == np.int64
    assert result.confusion.sum() == 500
    assert np.array_equal(result.confusion.sum(axis=1), np.bincount(labels, minlength=10))
    assert result.confusion.trace() == 500 - result.errors
    single = evaluate(np.eye(10, dtype=np.float32)[[3]], np.array([7], dtype=np.uint8))
    assert np.argwhere(single.confusion).tolist() == [[7, 3]]


def test_huge_logits_are_measured_without_overflow():
    logits = np.zeros((2, 10), dtype=np.float32)
    logits[0, 4], logits[1, 4] = 1e30, -1e30
    result = evaluate(logits, np.array([4, 0], dtype=np.uint8))
    assert result.loss == pytest.approx(np.log(9) / 2)
    assert result.errors == 0
    wrong = evaluate(logits[:1], np.array([0], dtype=np.uint8))
    assert wrong.loss == pytest.approx(1e30)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_diverged_model_is_measured_as_such(labels, value):
    result = evaluate(np.full((len(labels), 10), value, dtype=np.float32), labels)
    assert np.isnan(result.loss)
    assert np.isnan(result.ece)
    assert result.accuracy == (labels == 0).mean()


@pytest.mark.parametrize("shape", [(0, 10), (3, 10), (10,)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"Expected logits \[N, classes\] and labels \[N\]"):
        evaluate(np.zeros(shape, np.float32), np.zeros(0 if shape[0] != 10 else 9, np.uint8))


def test_calibration_by_hand():
    confidence = np.array([0.05, 0.1, 0.45, 0.55, 0.85, 0.95, 1.0, 1.0])
    correct = np.array([1, 0, 0, 1, 1, 1, 1, 0], dtype=np.bool_)
    table = calibrate(confidence, correct, bins=2)
    assert table.counts.tolist() == [3, 5]
    assert table.confidence.tolist() == pytest.approx([0.2, 0.87])
    assert table.accuracy.tolist() == pytest.approx([1 / 3, 0.8])
    expected = 3 / 8 * (1 / 3 - 0.2) + 5 / 8 * (0.87 - 0.8)
    assert expected_calibration_error(table) == pytest.approx(expected)


def test_bins_are_open_to_the_left_as_in_the_paper():
    table = calibrate(np.array([0.5, np.nextafter(0.5, 1), 1.0]), np.ones(3, np.bool_), bins=2)
    assert table.counts.tolist() == [1, 2]


def test_empty_bins_count_for_nothing():
    table = calibrate(np.array([0.99, 1.0]), np.array([True, True]))
    assert table.counts.tolist() == [0] * 14 + [2]
    assert np.isnan(table.accuracy[:14]).all()
    assert expected_calibration_error(table) == pytest.approx(0.005)


def test_fifteen_bins_hold_every_image(logits, labels):
    calibration = evaluate(logits, labels).calibration
    assert len(calibration.counts) == 15
    assert calibration.counts.sum() == 500


def test_a_metric_may_change_what_it_is_given():
    def margin(probabilities, labels):
        probabilities.sort(axis=1)
        labels[:] = 0
        return (probabilities[:, -1] - probabilities[:, -2]).mean()

    logits, labels = np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8)
    evaluation = evaluate(logits, labels)
    before = evaluation.probabilities.copy()
    scores = {"margin": margin, "share": lambda p, y: (p.argmax(axis=1) == y).mean()}
    assert evaluation.scores("val/", scores)["val/share"] == 1.0
    assert (evaluation.probabilities == before).all()
    assert (labels == np.arange(10)).all()
