"""Keras classifier -> one ONNX file, checked against the classifier before anybody gets it."""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx

from mnist_exp.errors import ExperimentError

INPUT, OUTPUT = "pixels", "probabilities"
TOLERANCE = 1e-4  # of a probability
CHECKED_IMAGES = 1000
CHECK_BATCH = 100  # keeps the check's memory small beside that of training


def write_onnx(classifier: keras.Model, file: Path, images: np.ndarray) -> float:
    """Exports a classifier and checks what ONNX Runtime makes of it.

    Args:
        classifier: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10], in float32.
        file: where the model goes. Its input is named `pixels`, its output `probabilities`.
        images: uint8 [N, 28, 28], of which the first 1,000 are compared.

    Returns:
        The largest difference of a probability.

    Raises:
        ExperimentError: a digit differs, or a probability by more than 1e-4.
    """
    sample = images[:CHECKED_IMAGES]
    expected = _in_batches(lambda batch: classifier(batch, training=False).numpy(), sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras looks for a name that NumPy 2 no longer has
        classifier.export(file, format="onnx", verbose=False)
    onnx.save(_with_plain_names(onnx.load(file)), file)
    received = _run(file, sample)
    difference = float(np.abs(received - expected).max())
    same_digits = bool((received.argmax(axis=1) == expected.argmax(axis=1)).all())
    if difference > TOLERANCE or not same_digits:
        file.unlink()
        raise ExperimentError(
            f"Expected the ONNX export to give the Keras model's probabilities within {TOLERANCE}, "
            f"and the same digits. Received: a difference of {difference:.2g} on {len(sample)} "
            "images. The export was not kept; please report this as a defect."
        )
    return difference


def _run(file: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    runtime = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return _in_batches(lambda batch: runtime.run([OUTPUT], {INPUT: batch})[0], images)


def _in_batches(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), CHECK_BATCH)
    return np.concatenate([predict(images[start : start + CHECK_BATCH]) for start in starts])


def _with_plain_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Names the output and the batch axis as a reader of the model expects them."""
    graph = model.graph
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
    output.name = OUTPUT
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    return model
