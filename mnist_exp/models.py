"""Name -> Keras network, of built-in layers only: a logged model loads without mnist_exp.

A network maps float images [batch, 28, 28, 1] in [0, 1] to logits [batch, 10]. `classifier` wraps
one for the world outside: raw uint8 pixels in, probabilities out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

IMAGE_SHAPE = (28, 28)
CLASSES = 10
PREDICTION_BATCH = 1000

Predict = Callable[[np.ndarray], np.ndarray]

# Keras's own 0.99 takes some 500 steps to forget its start, which a short recipe does not have.
BATCH_NORM_MOMENTUM = 0.9


def mlp(*, hidden_units: Sequence[int], activation: str, dropout: float) -> keras.Model:
    """A multilayer perceptron.

    Args:
        hidden_units: the width of each hidden layer; empty gives logistic regression.
        activation: the Keras name of the activation.
        dropout: the share of units dropped after each hidden layer.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    parts: list[Any] = [layers.Flatten(name="flatten")]
    parts += _dense(hidden_units, activation, dropout)
    return _network("mlp", parts)


def cnn(
    *,
    filters: Sequence[int],
    kernel_sizes: Sequence[int],
    dense_units: Sequence[int],
    activation: str,
    dropout: float,
    batch_norm: bool,
) -> keras.Model:
    """A classic convolutional network: each convolution, unpadded, is followed by a 2x2 max pool.

    Args:
        filters: the output channels of each convolution.
        kernel_sizes: the side of each convolution's kernel in pixels, as many as `filters`.
        dense_units: the width of each dense layer before the logits.
        activation: the Keras name of the activation.
        dropout: the share of units dropped before each dense layer and the logits.
        batch_norm: whether each convolution is batch-normalised.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    parts: list[Any] = []
    for i, (width, size) in enumerate(zip(filters, kernel_sizes, strict=True), start=1):
        parts += _convolution(f"{i}", width, size, "valid", activation, batch_norm=batch_norm)
        parts.append(layers.MaxPooling2D(2, name=f"pool_{i}"))
    parts.append(layers.Flatten(name="flatten"))
    if dropout:
        parts.append(layers.Dropout(dropout, name="dropout"))
    parts += _dense(dense_units, activation, dropout)
    return _network("cnn", parts)


def deep_cnn(
    *,
    blocks: Sequence[Sequence[int]],
    kernel_size: int,
    padding: str,
    dense_units: Sequence[int],
    activation: str,
    dropout: float,
    batch_norm: bool,
) -> keras.Model:
    """A deeper convolutional network in blocks, in the manner of VGG.

    Args:
        blocks: the output channels of each convolution, block by block; a 2x2 max pool stands
            between two blocks.
        kernel_size: the side of every kernel in pixels.
        padding: "same" or "valid".
        dense_units: the width of each dense layer before the logits.
        activation: the Keras name of the activation.
        dropout: the share of units dropped before each dense layer and the logits; none between
            the blocks, where it would mislead the batch norm behind it (Li, Chen, Hu and Yang,
            "Understanding the disharmony between dropout and batch normalization by variance
            shift", CVPR 2019).
        batch_norm: whether each convolution is batch-normalised.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    parts: list[Any] = []
    for i, widths in enumerate(blocks, start=1):
        if i > 1:
            parts.append(layers.MaxPooling2D(2, name=f"pool_{i - 1}"))
        for j, width in enumerate(widths, start=1):
            name = f"{i}_{j}"
            parts += _convolution(
                name, width, kernel_size, padding, activation, batch_norm=batch_norm
            )
    parts.append(layers.Flatten(name="flatten"))
    if dropout:
        parts.append(layers.Dropout(dropout, name="dropout"))
    parts += _dense(dense_units, activation, dropout)
    return _network("deep_cnn", parts)


MODELS: dict[str, Callable[..., keras.Model]] = {"mlp": mlp, "cnn": cnn, "deep_cnn": deep_cnn}


def build(name: str, *, seed: int, dtype_policy: str, **options: Any) -> keras.Model:
    """Builds a registered network with weights drawn from the seed.

    Args:
        name: a key of `MODELS`.
        seed: seeds the initial weights.
        dtype_policy: "float32" or "mixed_bfloat16".
        **options: the keyword arguments of that model's function.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy)
    keras.utils.set_random_seed(seed)
    try:
        return MODELS[name](**options)
    finally:
        keras.config.set_dtype_policy(before)


def classifier(network: keras.Model) -> keras.Model:
    """Wraps a float32 network for use elsewhere, with the preprocessing inside.

    Args:
        network: float [batch, 28, 28, 1] -> logits [batch, 10].

    Returns:
        A model, uint8 [batch, 28, 28], 0-255, ink bright -> probabilities float32 [batch, 10]. It
        shares the network's weights.
    """
    pixels = keras.Input(IMAGE_SHAPE, dtype="uint8", name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = layers.Reshape((*IMAGE_SHAPE, 1), name="channel")(x)
    probabilities = layers.Softmax(name="probabilities")(network(x))
    return keras.Model(pixels, probabilities, name=f"{network.name}_classifier")


def network_of(classifier: keras.Model) -> keras.Model:
    """Returns the network, images to logits, that a `classifier` wraps."""
    return classifier.layers[-2]


def predictor(network: keras.Model) -> Predict:
    """Traces a network once, for many predictions.

    Args:
        network: float [batch, 28, 28, 1] -> logits [batch, 10].

    Returns:
        A function, uint8 [N, 28, 28] -> logits float32 [N, 10]; no image is left out.
    """

    def logits(images: tf.Tensor) -> tf.Tensor:
        scaled = tf.cast(images, tf.float32)[..., None] / 255
        return tf.cast(network(scaled, training=False), tf.float32)

    pixels = tf.TensorSpec([None, *IMAGE_SHAPE], tf.uint8)
    graph = tf.function(logits, input_signature=[pixels])

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), PREDICTION_BATCH)
        parts = [graph(images[start : start + PREDICTION_BATCH]).numpy() for start in starts]
        return np.concatenate([np.empty((0, CLASSES), np.float32), *parts])

    return predict


def _convolution(
    name: str, width: int, size: int, padding: str, activation: str, *, batch_norm: bool
) -> Iterator[Any]:
    convolution = {"padding": padding, "kernel_initializer": "he_normal", "name": f"conv_{name}"}
    if not batch_norm:
        yield layers.Conv2D(width, size, activation=activation, **convolution)
        return
    yield layers.Conv2D(width, size, use_bias=False, **convolution)
    yield layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"norm_{name}")
    yield layers.Activation(activation, name=f"activation_{name}")


def _dense(widths: Sequence[int], activation: str, dropout: float) -> Iterator[Any]:
    for i, width in enumerate(widths, start=1):
        yield layers.Dense(
            width, activation=activation, kernel_initializer="he_normal", name=f"dense_{i}"
        )
        if dropout:
            yield layers.Dropout(dropout, name=f"dropout_{i}")


def _network(name: str, parts: Sequence[Any]) -> keras.Model:
    image = keras.Input((*IMAGE_SHAPE, 1), name="image")
    return keras.Sequential([image, *parts, layers.Dense(CLASSES, name="logits")], name=name)
