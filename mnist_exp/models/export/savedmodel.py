"""Keras classifier -> a folder in TensorFlow's SavedModel format, as TensorFlow Serving wants."""

from pathlib import Path

import keras
import numpy as np

from mnist_exp.core import tensorflow_setup
from mnist_exp.models.export.check import check
from mnist_exp.models.export.keras_export import write


def write_savedmodel(classifier: keras.Model, folder: Path, images: np.ndarray) -> float:
    """Exports a classifier and checks what TensorFlow alone makes of it.

    Args:
        classifier: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10], in float32.
        folder: where the model goes: `tf.saved_model.load(folder).serve(pixels)`.
        images: uint8 [N, 28, 28], of which the first 1,000 are compared.

    Returns:
        The largest difference of a probability.

    Raises:
        ExperimentError: a digit differs, or a probability by more than 1e-4.
        OSError: it cannot be written.
    """
    write(classifier, folder, "tf_saved_model")
    loaded = tensorflow_setup.tensorflow().saved_model.load(folder)
    return check(
        lambda batch: loaded.serve(batch).numpy(), classifier, images, what="the SavedModel export"
    )
