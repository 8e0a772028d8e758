"""Keras classifier -> a folder with two LiteRT (TensorFlow Lite) models: float32, and all integers.

The smaller one rounds weights and activations to 8 bits. Which range they have is measured on
training images, and what the rounding costs on test images; both are told in the folder's README.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mnist_exp import data
from mnist_exp.core import statistics, tensorflow_setup
from mnist_exp.core.digits import IMAGE_SHAPE
from mnist_exp.models.export.check import PredictProbabilities, check, in_batches
from mnist_exp.models.export.keras_export import write

FLOAT, INT8 = "model.tflite", "model_int8.tflite"
CALIBRATION_IMAGES = 500
LEVELS = 256  # of a probability in uint8


@dataclass(frozen=True)
class Measured:
    """How a model does on all test images."""

    correct: int
    images: int

    def __str__(self) -> str:
        """Returns the accuracy with its 95 % Wilson interval."""
        low, high = statistics.wilson_interval(self.correct, self.images)
        return f"{self.correct / self.images:.2%} ({low:.2%} to {high:.2%})"


@dataclass(frozen=True)
class Exported:
    """What was found out about both models."""

    difference: float  # the largest of a probability, float32 to Keras
    float32: Measured
    int8: Measured


def write_litert(classifier: keras.Model, folder: Path, splits: data.Splits) -> Exported:
    """Exports a classifier twice, checks the float32 model and measures both.

    Args:
        classifier: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10], in float32.
        folder: where `model.tflite` and `model_int8.tflite` go.
        splits: the training images calibrate, the test images check and measure.

    Raises:
        ExperimentError: a digit of the float32 model differs, or a probability by more than 1e-4.
        OSError: they cannot be written.
    """
    folder.mkdir()
    test = splits.test
    with _quiet():
        write(classifier, folder / FLOAT, "litert")
        predict = predictor(folder / FLOAT)
        difference = check(predict, classifier, test.images, what="the LiteRT export")
        _convert_to_int8(classifier, folder / INT8, splits.train.images)
        by_int8 = predictor(folder / INT8)
    return Exported(difference, _measure(predict, test), _measure(by_int8, test))


def predictor(file: Path) -> PredictProbabilities:
    """Loads a model into LiteRT's interpreter.

    Returns:
        A function, uint8 [batch, 28, 28] -> probabilities float32 [batch, 10].
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    (pixels,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.allocate_tensors()

    def predict(batch: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(pixels["index"], batch)
        interpreter.invoke()
        received = np.asarray(interpreter.get_tensor(output["index"]))
        return received if received.dtype == np.float32 else received.astype(np.float32) / LEVELS

    def predict_many(batch: np.ndarray) -> np.ndarray:
        if pixels["shape_signature"][0] == 1:
            return np.concatenate([predict(image[None]) for image in batch])
        interpreter.resize_tensor_input(pixels["index"], batch.shape)
        interpreter.allocate_tensors()
        return predict(batch)

    return predict_many


def _convert_to_int8(classifier: keras.Model, file: Path, images: np.ndarray) -> None:
    """Converts weights and activations to int8, with pixels and probabilities in uint8.

    The shape is fixed, since what computes in integers alone often wants that: one image at a time.
    """
    tf = tensorflow_setup.tensorflow()
    chosen = np.linspace(0, len(images) - 1, min(CALIBRATION_IMAGES, len(images))).astype(int)
    calibration = images[chosen].astype(np.float32)
    # Pixels then have the scale 1: what goes in is the image as it is, however pale the others are.
    calibration[0, 0, :2] = 0, 255
    write(
        _of_floats(classifier),
        file,
        "litert",
        input_signature=[keras.InputSpec("float32", (1, *IMAGE_SHAPE), name="pixels")],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([image[None]] for image in calibration),
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
    )


def _of_floats(classifier: keras.Model) -> keras.Model:
    """Returns the model with float pixels as input: casts of integers would be left in floats."""
    pixels = x = keras.Input(IMAGE_SHAPE, dtype="float32", name="pixels")
    for layer in classifier.layers[1:]:
        x = layer(x)
    return keras.Model(pixels, x)


def _measure(predict: PredictProbabilities, test: data.Split) -> Measured:
    digits = in_batches(predict, test.images).argmax(axis=1)
    return Measured(int((digits == test.labels).sum()), len(test))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what native code prints off the terminal; its errors come as exceptions as well."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a name, no path
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
