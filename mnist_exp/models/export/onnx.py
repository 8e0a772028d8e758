"""Keras classifier -> one ONNX file, checked against the classifier before anybody gets it."""

from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from mnist_exp.core.digits import IMAGE_SHAPE
from mnist_exp.core.errors import ExperimentError
from mnist_exp.inference.model import INPUT, OUTPUT, THRESHOLD, runtime
from mnist_exp.models.export.check import PredictProbabilities, check


def write_onnx(
    classifier: keras.Model, file: Path, images: np.ndarray, *, threshold: float | None
) -> float:
    """Exports a classifier and checks what ONNX Runtime makes of it.

    Args:
        classifier: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10], in float32.
        file: where the model goes. Its input is named `pixels`, its output `probabilities`.
        images: uint8 [N, 28, 28], of which the first 1,000 are compared.
        threshold: the least confidence at which the model should answer, which is kept in the
            file's metadata; None where it is not known.

    Returns:
        The largest difference of a probability.

    Raises:
        ExperimentError: a digit differs, or a probability by more than 1e-4.
        OSError: it cannot be written.
    """
    model = _with_plain_names(_converted(classifier))
    if threshold is not None:
        onnx.helper.set_model_props(model, {THRESHOLD: repr(threshold)})
    onnx.save(model, file)
    try:
        return check(_predictor(file), classifier, images, what="the ONNX export")
    except ExperimentError:
        file.unlink()
        raise


def _converted(classifier: keras.Model) -> onnx.ModelProto:
    pixels = tf.TensorSpec([None, *IMAGE_SHAPE], tf.uint8, name=INPUT)
    graph = tf.function(lambda images: classifier(images, training=False), autograph=False)
    model: onnx.ModelProto = tf2onnx.convert.from_function(graph, [pixels])[0]
    # Constants that a layer keeps, such as those of Normalization, come out as further inputs.
    captured = graph.get_concrete_function(pixels).graph.captures
    constants = {inner.name: outer for outer, inner in captured if outer.dtype != tf.resource}
    for value in list(model.graph.input):
        if value.name in constants:
            array = constants[value.name].numpy()
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)
    return model


def _predictor(file: Path) -> PredictProbabilities:
    session = runtime().InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda batch: session.run([OUTPUT], {INPUT: batch})[0]


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
