"""What a model's logits are worth: loss, accuracy with its interval, confusion, calibration.

Plain NumPy on the outputs of one pass over a split; the pass itself belongs to training.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core import statistics
from mnist_exp.core.errors import ExperimentError, reason_of

CALIBRATION_BINS = 15

Score = Callable[[NDArray[np.float32], NDArray[np.uint8]], float]  # probabilities, labels -> number


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predictions sorted by confidence into bins of equal width over [0, 1]."""

    counts: NDArray[np.int64]  # int64 [bins], with the number of images as its sum
    confidence: NDArray[np.float64]  # float64 [bins], mean in the bin; NaN in an empty one
    accuracy: NDArray[np.float64]  # float64 [bins], share of correct ones; NaN in an empty bin


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that is measured on one split."""

    probabilities: NDArray[np.float32]  # float32 [N, 10], rows with the sum 1
    labels: NDArray[np.uint8]  # uint8 [N]
    predictions: NDArray[np.uint8]  # uint8 [N]; of equal probabilities the lower digit
    loss: float  # mean cross-entropy in nats
    accuracy: float  # share of correct predictions
    errors: int  # number of wrong predictions
    confusion: NDArray[np.int64]  # int64 [10, 10], rows are true digits, columns predictions
    accuracy_low: float  # 95 % Wilson interval
    accuracy_high: float
    ece: float  # expected calibration error, 0-1
    calibration: Calibration

    def scores(self, split: str, functions: Mapping[str, Score]) -> dict[str, float]:
        """Returns what functions make of the predictions.

        Args:
            split: the beginning of the names, such as "val/".
            functions: by name.

        Raises:
            ExperimentError: one fails, or gives no number.
        """
        return {f"{split}{name}": self._number(name, score) for name, score in functions.items()}

    def _number(self, name: str, score: Score) -> float:
        try:  # copies: it may sort them in place
            return float(score(self.probabilities.copy(), self.labels.copy()))
        except Exception as error:  # a user's own code may raise anything
            raise ExperimentError(
                f"Expected a number from the metric {name} for {len(self.labels):,} images. "
                f"Received: {reason_of(error)}. Correct its function, or leave it out of metrics."
            ) from error


def evaluate(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> Evaluation:
    """Measures logits against labels; sums are taken in float64, and no image is left out.

    Args:
        logits: float32 [N, 10], finite or not: a diverged model has a loss of NaN.
        labels: uint8 [N], 0-9.

    Raises:
        ValueError: If there are no images or the shapes do not fit each other.
    """
    if len(labels) == 0 or labels.ndim != 1 or logits.shape[:1] != labels.shape:
        raise ValueError(
            "Expected logits [N, classes] and labels [N] with N >= 1. "
            f"Received: {list(logits.shape)} and {list(labels.shape)}."
        )
    log_probabilities = log_softmax(logits)
    probabilities = np.exp(log_probabilities)
    predictions = log_probabilities.argmax(axis=1).astype(np.uint8)
    confidence = probabilities.max(axis=1)
    correct = int((predictions == labels).sum())
    calibration = calibrate(confidence, predictions == labels)
    interval = statistics.wilson_interval(correct, len(labels))
    return Evaluation(
        probabilities=probabilities.astype(np.float32),
        labels=labels,
        predictions=predictions,
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        accuracy=correct / len(labels),
        errors=len(labels) - correct,
        confusion=count_confusion(labels, predictions, classes=logits.shape[1]),
        accuracy_low=interval.low,
        accuracy_high=interval.high,
        ece=expected_calibration_error(calibration),
        calibration=calibration,
    )


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns float64 [N, classes]; stable for logits of any size."""
    shifted = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities become NaN, which is what they mean
        shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def count_confusion(
    labels: NDArray[np.uint8], predictions: NDArray[np.uint8], *, classes: int
) -> NDArray[np.int64]:
    """Returns int64 [classes, classes]: how often the row's digit was taken for the column's."""
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def calibrate(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> Calibration:
    """Sorts predictions by confidence into `bins` bins of equal width, open to the left.

    Args:
        confidence: float64 [N], the probability of each predicted class.
        correct: bool [N].
        bins: How many.
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    index = np.searchsorted(edges, confidence, side="left")
    counts = np.bincount(index, minlength=bins)
    filled = np.where(counts == 0, np.nan, counts)
    return Calibration(
        counts=counts,
        confidence=np.bincount(index, weights=confidence, minlength=bins) / filled,
        accuracy=np.bincount(index, weights=correct, minlength=bins) / filled,
    )


def expected_calibration_error(calibration: Calibration) -> float:
    """Returns the mean gap between confidence and accuracy, weighted by the bins' counts.

    Equation 5 of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, after Naeini, Cooper and Hauskrecht, AAAI 2015.
    """
    gaps = np.abs(calibration.accuracy - calibration.confidence)
    # Empty bins count for nothing; the NaN of a diverged model must not be dropped with them.
    filled = calibration.counts > 0
    return float(np.average(gaps[filled], weights=calibration.counts[filled]))
