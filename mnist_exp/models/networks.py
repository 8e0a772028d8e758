"""A Keras network, of built-in layers only: a logged model loads without mnist_exp.

A network maps float images [batch, 28, 28, 1] in [0, 1] to logits [batch, 10]. `classifier` wraps
one for the world outside: raw uint8 pixels in, probabilities out.
"""

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mnist_exp.config import components
from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE

LOGITS = "logits"  # the name of every network's last layer
PREDICTION_BATCH = 1000

PredictLogits = Callable[[np.ndarray], np.ndarray]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Has Keras's initializers and generators take their seeds from `seed` in the block.

    They draw them by Python's generator, which is that of the program around, too.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Has Keras build layers by a policy in the block, whatever the program around has set.

    Args:
        name: "float32", "mixed_bfloat16" or "mixed_float16".
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build(name: str, *, seed: int, **options: Any) -> keras.Model:
    """Builds a registered network with weights drawn from the seed, and from nothing else.

    Args:
        name: of a model.
        seed: seeds the initial weights.
        **options: the keyword arguments of that model's function.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    with seeded(seed), dtype_policy("float32"):
        return components.named("model")[name].function(**options)


def classifier(network: keras.Model) -> keras.Model:
    """Wraps a float32 network for use elsewhere, with the preprocessing inside.

    Args:
        network: float [batch, 28, 28, 1] -> logits [batch, 10].

    Returns:
        A model, uint8 [batch, 28, 28], 0-255, ink bright -> probabilities float32 [batch, 10]. It
        shares the network's weights.
    """
    with dtype_policy("float32"):
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
    parts = []
    with dtype_policy("float32"):
        image = keras.Input((*IMAGE_SHAPE, 1), name="image")
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
