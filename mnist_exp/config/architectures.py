"""What a config may say of a model, and how large that is at most."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mnist_exp.config.fields import (
    Activation,
    BelowOne,
    Component,
    Kernel,
    Kernels,
    SomeWidths,
    Widths,
    broken_rule,
)
from mnist_exp.core.digits import CLASSES, SIDE


class Mlp(Component):
    """A multilayer perceptron."""

    name: Literal["mlp"]
    hidden_units: Widths
    activation: Activation
    dropout: BelowOne

    def parameters(self) -> int:
        """Returns how many weights the model has, without batch norm's."""
        return _dense(SIDE**2, self.hidden_units)


class Cnn(Component):
    """Convolutions, each followed by a pool."""

    name: Literal["cnn"]
    filters: SomeWidths
    kernel_sizes: Kernels
    pool_sizes: Kernels | None
    dense_units: Widths
    activation: Activation
    dropout: BelowOne
    batch_norm: bool

    @model_validator(mode="after")
    def _fits_the_image(self) -> Self:
        for key, sizes in (("kernel_sizes", self.kernel_sizes), ("pool_sizes", self._pools())):
            if len(sizes) != len(self.filters):
                raise broken_rule(
                    f"model.{key}",
                    f"as many as model.filters, which has {len(self.filters)}",
                    str(list(sizes)),
                )
        for number, side in enumerate(self._sides(), start=1):
            if side < 1:
                raise _too_deep("model.filters", f"{len(self.filters)} convolutions", number)
        return self

    def parameters(self) -> int:
        """Returns how many weights the model has, without batch norm's."""
        convolutions = _convolutions(self.filters, self.kernel_sizes)
        return convolutions + _dense(self._sides()[-1] ** 2 * self.filters[-1], self.dense_units)

    def _pools(self) -> tuple[int, ...]:
        """Returns the side of the pool behind each convolution."""
        return self.pool_sizes or (2,) * len(self.filters)

    def _sides(self) -> list[int]:
        """Returns the pixels of a side behind each pool; less than 1 where none is left."""
        sides = [SIDE]
        for kernel_size, pool_size in zip(self.kernel_sizes, self._pools(), strict=True):
            sides.append((sides[-1] - kernel_size + 1) // pool_size)
        return sides[1:]


class DeepCnn(Component):
    """Blocks of convolutions with a pool between them."""

    name: Literal["deep_cnn"]
    blocks: Annotated[tuple[SomeWidths, ...], Field(min_length=1, max_length=32)]
    kernel_size: Kernel | Kernels
    padding: Literal["same", "valid"]
    dense_units: Widths
    activation: Activation
    dropout: BelowOne
    batch_norm: bool

    @model_validator(mode="after")
    def _fits_the_image(self) -> Self:
        sizes = self._kernel_sizes()
        if len(sizes) != len(self.blocks):
            raise broken_rule(
                "model.kernel_size",
                f"one, or as many as model.blocks, which has {len(self.blocks)}",
                str(list(sizes)),
            )
        side = SIDE
        for number, (block, size) in enumerate(zip(self.blocks, sizes, strict=True), start=1):
            if number > 1:
                side //= 2
            if self.padding == "valid":
                side -= (size - 1) * len(block)
            if side < 1:
                raise _too_deep("model.blocks", f"{len(self.blocks)} blocks", number)
        return self

    def parameters(self) -> int:
        """Returns how many weights the model has at most, without batch norm's."""
        pairs = zip(self.blocks, self._kernel_sizes(), strict=True)
        filters, sizes = zip(*((w, size) for block, size in pairs for w in block), strict=True)
        convolutions = _convolutions(filters, sizes)
        pixels = (SIDE // 2 ** (len(self.blocks) - 1)) ** 2
        return convolutions + _dense(pixels * filters[-1], self.dense_units)

    def _kernel_sizes(self) -> tuple[int, ...]:
        """Returns the side of the kernels of each block."""
        size = self.kernel_size
        return (size,) * len(self.blocks) if isinstance(size, int) else size


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
