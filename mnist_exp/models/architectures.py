"""The built-in models: name and options -> network; what bounds an option, and a model's size."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from mnist_exp.config.components import model
from mnist_exp.config.fields import (
    Activation,
    BelowOne,
    Kernel,
    Kernels,
    SomeWidths,
    Widths,
    broken_rule,
)
from mnist_exp.core.digits import CLASSES, SIDE

if TYPE_CHECKING:
    import keras


def _mlp_parameters(*, hidden_units: Widths, **_: Any) -> int:
    return _dense(SIDE**2, hidden_units)


@model("mlp", parameters=_mlp_parameters)
def mlp(*, hidden_units: Widths, activation: Activation, dropout: BelowOne) -> "keras.Model":
    """A multilayer perceptron.

    Args:
        hidden_units: the width of each hidden layer; empty gives logistic regression.
        activation: the Keras name of the activation.
        dropout: the share of units dropped after each hidden layer.

    Returns:
        A model, float [batch, 28, 28, 1] -> logits [batch, 10].
    """
    from keras import layers

    from mnist_exp.models import parts

    hidden = parts.dense(hidden_units, activation, dropout)
    return parts.network("mlp", [layers.Flatten(name="flatten"), *hidden])


def _cnn_fits_the_image(
    *, filters: SomeWidths, kernel_sizes: Kernels, pool_sizes: Kernels | None, **_: Any
) -> None:
    pools = _pools(filters, pool_sizes)
    for key, sizes in (("kernel_sizes", kernel_sizes), ("pool_sizes", pools)):
        if len(sizes) != len(filters):
            expected = f"as many as model.filters, which has {len(filters)}"
            raise broken_rule(f"model.{key}", expected, str(list(sizes)))
    for number, side in enumerate(_sides(kernel_sizes, pools), start=1):
        if side < 1:
            raise _too_deep("model.filters", f"{len(filters)} convolutions", number)


def _cnn_parameters(
    *,
    filters: SomeWidths,
    kernel_sizes: Kernels,
    pool_sizes: Kernels | None,
    dense_units: Widths,
    **_: Any,
) -> int:
    side = _sides(kernel_sizes, _pools(filters, pool_sizes))[-1]
    return _convolutions(filters, kernel_sizes) + _dense(side**2 * filters[-1], dense_units)


@model("cnn", rule=_cnn_fits_the_image, parameters=_cnn_parameters)
def cnn(
    *,
    filters: SomeWidths,
    kernel_sizes: Kernels,
    pool_sizes: Kernels | None,
    dense_units: Widths,
    activation: Activation,
    dropout: BelowOne,
    batch_norm: bool,
) -> "keras.Model":
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
    from keras import layers

    from mnist_exp.models import parts

    found: list[Any] = []
    pools = _pools(filters, pool_sizes)
    for i, (width, size, pool) in enumerate(zip(filters, kernel_sizes, pools, strict=True), 1):
        behind = layers.MaxPooling2D(pool, name=f"pool_{i}")
        found += parts.convolution(
            f"{i}", width, size, "valid", activation, batch_norm=batch_norm, pool=behind
        )
    found += parts.head(dense_units, activation, dropout)
    return parts.network("cnn", found)


def _deep_cnn_fits_the_image(
    *,
    blocks: tuple[SomeWidths, ...],
    kernel_size: int | Kernels,
    padding: str,
    **_: Any,
) -> None:
    sizes = _of_blocks(kernel_size, blocks)
    if len(sizes) != len(blocks):
        expected = f"one, or as many as model.blocks, which has {len(blocks)}"
        raise broken_rule("model.kernel_size", expected, str(list(sizes)))
    side = SIDE
    for number, (block, size) in enumerate(zip(blocks, sizes, strict=True), start=1):
        if number > 1:
            side //= 2
        if padding == "valid":
            side -= (size - 1) * len(block)
        if side < 1:
            raise _too_deep("model.blocks", f"{len(blocks)} blocks", number)


def _deep_cnn_parameters(
    *,
    blocks: tuple[SomeWidths, ...],
    kernel_size: int | Kernels,
    dense_units: Widths,
    **_: Any,
) -> int:
    pairs = zip(blocks, _of_blocks(kernel_size, blocks), strict=True)
    filters, sizes = zip(*((w, size) for block, size in pairs for w in block), strict=True)
    pixels = (SIDE // 2 ** (len(blocks) - 1)) ** 2
    return _convolutions(filters, sizes) + _dense(pixels * filters[-1], dense_units)


@model("deep_cnn", rule=_deep_cnn_fits_the_image, parameters=_deep_cnn_parameters)
def deep_cnn(
    *,
    blocks: Annotated[tuple[SomeWidths, ...], Field(min_length=1, max_length=32)],
    kernel_size: Kernel | Kernels,
    padding: Literal["same", "valid"],
    dense_units: Widths,
    activation: Activation,
    dropout: BelowOne,
    batch_norm: bool,
) -> "keras.Model":
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
    from keras import layers

    from mnist_exp.models import parts

    found: list[Any] = []
    sizes = _of_blocks(kernel_size, blocks)
    for i, (widths, size) in enumerate(zip(blocks, sizes, strict=True), start=1):
        for j, width in enumerate(widths, start=1):
            between = i < len(blocks) and j == len(widths)
            found += parts.convolution(
                f"{i}_{j}",
                width,
                size,
                padding,
                activation,
                batch_norm=batch_norm,
                pool=layers.MaxPooling2D(2, name=f"pool_{i}") if between else None,
            )
    found += parts.head(dense_units, activation, dropout)
    return parts.network("deep_cnn", found)


def _pools(filters: Sequence[int], pool_sizes: Sequence[int] | None) -> Sequence[int]:
    """Returns the side of the pool behind each convolution."""
    return pool_sizes or (2,) * len(filters)


def _sides(kernel_sizes: Sequence[int], pools: Sequence[int]) -> list[int]:
    """Returns the pixels of a side behind each pool; less than 1 where none is left."""
    sides = [SIDE]
    for kernel_size, pool_size in zip(kernel_sizes, pools, strict=True):
        sides.append((sides[-1] - kernel_size + 1) // pool_size)
    return sides[1:]


def _of_blocks(kernel_size: int | Sequence[int], blocks: Sequence[Any]) -> Sequence[int]:
    """Returns the side of the kernels of each block."""
    return (kernel_size,) * len(blocks) if isinstance(kernel_size, int) else kernel_size


def _dense(inputs: int, units: Sequence[int]) -> int:
    sizes = [inputs, *units, CLASSES]
    return sum((before + 1) * after for before, after in pairwise(sizes))


def _convolutions(filters: Sequence[int], kernel_sizes: Sequence[int]) -> int:
    pairs = zip(pairwise([1, *filters]), kernel_sizes, strict=True)
    return sum((before * size**2 + 1) * after for (before, after), size in pairs)


def _too_deep(key: str, parts: str, number: int) -> PydanticCustomError:
    """Returns the error of a model that has used up the image at its `number`-th part."""
    image = f"{SIDE}x{SIDE} image"
    return broken_rule(
        key,
        f"convolutions and pools that leave at least 1x1 of the {image}",
        f"{parts}, of which number {number} finds nothing left; the model is too deep",
        "Use fewer, or smaller kernels.",
    )
