"""The limits of numbers and texts in a config, and what its sections have in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mnist_exp.core.digits import SIDE

SEEDS = 2**31
MEMBERS = 100
ACCURACY = "accuracy"  # the metric that every run has, beside those that it asks for

A_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
A_DATABASE = r"^[a-z][a-z0-9+.-]*://"
A_DEVICE = r"^(auto|cpu|gpu:[0-9]{1,3})$"

# Limits are above what anybody needs here: a config may come from somebody else's record.
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Amount = Annotated[int, Field(ge=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Members = Annotated[int, Field(ge=1, le=MEMBERS)]
Width = Annotated[int, Field(ge=1)]
Kernel = Annotated[int, Field(ge=1, le=SIDE)]
Threads = Annotated[int, Field(ge=1, le=4096)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Shift = Annotated[float, Field(ge=0, lt=SIDE)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Widths = Annotated[tuple[Width, ...], Field(max_length=32)]
SomeWidths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=32)]
Kernels = Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=32)]
Name = Annotated[str, Field(pattern=A_NAME)]
Database = Annotated[str, Field(pattern=A_DATABASE)]
Device = Annotated[str, Field(pattern=A_DEVICE)]
Activation = Literal["relu", "silu", "elu", "tanh"]


def broken_rule(key: str, expected: str, received: str, remedy: str = "") -> PydanticCustomError:
    """Returns the error of a rule between keys, to be raised.

    Args:
        key: that the message names, dotted, such as "model.widths".
        expected: in words, after "Expected".
        received: in words, after "Received:".
        remedy: a sentence, or nothing.

    Example:
        >>> raise broken_rule("model.widths", "even numbers", "[3]")
    """
    context = {"key": key, "expected": expected, "received": received, "remedy": remedy}
    return PydanticCustomError("rule", "{key}: expected {expected}", context)


class Section(BaseModel):
    """A part of the config: frozen, of exact types, without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )


class Component(Section):
    """A section whose `name` picks a function and whose other keys are its arguments."""

    name: str

    def options(self) -> dict[str, Any]:
        """Returns every key but `name`, as keyword arguments; lists are tuples."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}


class Division(Component):
    """Which images there are, and how the training images among them are divided."""

    validation_images: Amount
    train_images: Count | None
    split_seed: Seed | None
