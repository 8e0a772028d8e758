"""What the built-in networks are made of."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import layers

from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE
from mnist_exp.models.networks import LOGITS

# Keras's own 0.99 takes some 500 steps to forget its start, which a short recipe does not have.
BATCH_NORM_MOMENTUM = 0.9


def convolution(
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


def head(widths: Sequence[int], activation: str, dropout: float) -> Iterator[Any]:
    """Yields what stands between convolutions and the logits."""
    yield layers.Flatten(name="flatten")
    if dropout:
        yield layers.Dropout(dropout, name="dropout")
    yield from dense(widths, activation, dropout)


def dense(widths: Sequence[int], activation: str, dropout: float) -> Iterator[Any]:
    """Yields dense layers, each with its dropout behind it."""
    for i, width in enumerate(widths, start=1):
        yield layers.Dense(
            width, activation=activation, kernel_initializer="he_normal", name=f"dense_{i}"
        )
        if dropout:
            yield layers.Dropout(dropout, name=f"dropout_{i}")


def network(name: str, parts: Sequence[Any]) -> keras.Model:
    """Returns layers between an image and the logits as a network."""
    image = keras.Input((*IMAGE_SHAPE, 1), name="image")
    return keras.Sequential([image, *parts, layers.Dense(CLASSES, name=LOGITS)], name=name)
