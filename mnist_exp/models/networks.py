"""Name -> Keras network, of built-in layers only: a logged model loads without mnist_exp.

A network maps float images [batch, 28, 28, 1] in [0, 1] to logits [batch, 10]. `classifier` wraps
one for the world outside: raw uint8 pixels in, probabilities out.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE

LOGITS = "logits"  # the name of every network's last layer
PREDICTION_BATCH = 1000

PredictLogits = Callable[[np.ndarray], np.ndarray]

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
    pool_sizes: Sequence[int] | None,
    dense_units: Sequence[int],
    activation: str,
    dropout: float,
    batch_norm: bool,
) -> keras.Model:
    """A classic convolutional network: each convolution, unpadded, is followed by a max pool.

    Args:
        filters: the output channels of each convolution.
        kernel_sizes: the side of each convolution's kernel in pixels, as many as `filters`.
        pool_sizes: the side of the pool behind each convolution; None for 2 everywhere.
        dense_units: the width of each dense layer before the logits.
        activation: the Keras name of the activation.
        dropout: the share of units dropped before each dense layer and the logits.
        batch_norm: whether each convolution is batch-normalised.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    parts: list[Any] = []
    pools = pool_sizes or (2,) * len(filters)
    for i, (width, size, pool) in enumerate(zip(filters, kernel_sizes, pools, strict=True), 1):
        behind = layers.MaxPooling2D(pool, name=f"pool_{i}")
        parts += _convolution(
            f"{i}", width, size, "valid", activation, batch_norm=batch_norm, pool=behind
        )
    parts.append(layers.Flatten(name="flatten"))
    if dropout:
        parts.append(layers.Dropout(dropout, name="dropout"))
    parts += _dense(dense_units, activation, dropout)
    return _network("cnn", parts)


def deep_cnn(
    *,
    blocks: Sequence[Sequence[int]],
    kernel_size: int | Sequence[int],
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
        kernel_size: the side of every kernel in pixels, or of those in each block.
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
    sizes = [kernel_size] * len(blocks) if isinstance(kernel_size, int) else kernel_size
    for i, (widths, size) in enumerate(zip(blocks, sizes, strict=True), start=1):
        for j, width in enumerate(widths, start=1):
            between = i < len(blocks) and j == len(widths)
            parts += _convolution(
                f"{i}_{j}",
                width,
                size,
                padding,
                activation,
                batch_norm=batch_norm,
                pool=layers.MaxPooling2D(2, name=f"pool_{i}") if between else None,
            )
    parts.append(layers.Flatten(name="flatten"))
    if dropout:
        parts.append(layers.Dropout(dropout, name="dropout"))
    parts += _dense(dense_units, activation, dropout)
    return _network("deep_cnn", parts)


MODELS: dict[str, Callable[..., keras.Model]] = {"mlp": mlp, "cnn": cnn, "deep_cnn": deep_cnn}


def build(name: str, *, seed: int, **options: Any) -> keras.Model:
    """Builds a registered network with weights drawn from the seed, and from nothing else.

    Args:
        name: a key of `MODELS`.
        seed: seeds the initial weights.
        **options: the keyword arguments of that model's function.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    # Keras's initializers take their seeds from Python's generator, which may be the caller's too.
    before = random.getstate()
    random.seed(seed)
    try:
        return MODELS[name](**options)
    finally:
        random.setstate(before)


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


def ensemble(networks: Sequence[keras.Model]) -> keras.Model:
    """Makes one network of several, with the mean of their probabilities.

    The logits are its logarithm, taken without the probabilities themselves: in float32 some of a
    sure network's are zero, which has no logarithm.

    Args:
        networks: in float32, float [batch, 28, 28, 1] -> logits [batch, 10]; they are renamed,
            since a model cannot hold two of one name.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10]. It shares the networks' weights.
    """
    image = keras.Input((*IMAGE_SHAPE, 1), name="image")
    parts = []
    for i, network in enumerate(networks):
        network.name = f"member_{i}"
        parts.append(layers.Activation("log_softmax", name=f"log_softmax_{i}")(network(image)))
    total = keras.ops.logsumexp(keras.ops.stack(parts), axis=0)
    return keras.Model(image, total - math.log(len(networks)), name="ensemble")


def predictor(network: keras.Model) -> PredictLogits:
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
    graph = tf.function(logits, input_signature=[pixels], autograph=False)

    def predict(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), PREDICTION_BATCH)
        parts = [graph(images[start : start + PREDICTION_BATCH]).numpy() for start in starts]
        return np.concatenate([np.empty((0, CLASSES), np.float32), *parts])

    return predict


def _convolution(
    name: str,
    width: int,
    size: int,
    padding: str,
    activation: str,
    *,
    batch_norm: bool,
    pool: keras.Layer | None,
) -> Iterator[Any]:
    """Yields a convolution with what belongs to it.

    Batch norm stands behind the pool: it has a quarter of the pixels to normalise there, and made
    fewer errors on validation images (docs/recipes.md).
    """
    convolution = {"padding": padding, "kernel_initializer": "he_normal", "name": f"conv_{name}"}
    pools = [pool] if pool is not None else []
    if not batch_norm:
        yield from [layers.Conv2D(width, size, activation=activation, **convolution), *pools]
        return
    yield from [layers.Conv2D(width, size, use_bias=False, **convolution), *pools]
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
    return keras.Sequential([image, *parts, layers.Dense(CLASSES, name=LOGITS)], name=name)
