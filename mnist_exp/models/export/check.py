"""What every export has to pass: the Keras model's own answers on real images."""

from collections.abc import Callable

import keras
import numpy as np

from mnist_exp.core.errors import ExperimentError

TOLERANCE = 1e-4  # of a probability
CHECKED_IMAGES = 1000
CHECK_BATCH = 100  # keeps the check's memory small beside that of training

# uint8 [batch, 28, 28] -> float32 [batch, 10]
PredictProbabilities = Callable[[np.ndarray], np.ndarray]


def check(
    predict: PredictProbabilities, classifier: keras.Model, images: np.ndarray, *, what: str
) -> float:
    """Compares what was exported with the model that it was made of.

    Args:
        predict: what was exported, as its own runtime computes it.
        classifier: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10].
        images: uint8 [N, 28, 28], of which the first 1,000 are compared.
        what: the export in words, such as "the ONNX export".

    Returns:
        The largest difference of a probability.

    Raises:
        ExperimentError: a digit differs, or a probability by more than 1e-4.
    """
    sample = images[:CHECKED_IMAGES]
    expected = in_batches(lambda batch: classifier(batch, training=False).numpy(), sample)
    received = in_batches(predict, sample)
    difference = _largest_difference(received, expected)
    digits = int((received.argmax(axis=1) != expected.argmax(axis=1)).sum())
    if difference <= TOLERANCE and not digits:
        return difference
    raise ExperimentError(
        f"Expected {what} to give the Keras model's probabilities within {TOLERANCE}, and the same "
        f"digits. Received: a difference of {difference:.2g}, and {digits} other digits, on "
        f"{len(sample):,} images. The export was not kept; please report this as a defect."
    )


def in_batches(predict: PredictProbabilities, images: np.ndarray) -> np.ndarray:
    """Returns float32 [N, 10] for uint8 [N, 28, 28], computed a hundred images at a time."""
    starts = range(0, len(images), CHECK_BATCH)
    return np.concatenate([predict(images[start : start + CHECK_BATCH]) for start in starts])


def _largest_difference(received: np.ndarray, expected: np.ndarray) -> float:
    """Returns it; the NaN of a diverged model is expected again, any other NaN is returned."""
    same = np.isnan(received) & np.isnan(expected)
    return float(np.where(same, 0, np.abs(received - expected)).max())
