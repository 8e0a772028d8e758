"""What a config may say: the type and the limits of every key, and the rules between keys.

Nothing here has a default; those stand in conf/. A checked config is frozen, and a component hands
its keys on as plain keyword arguments.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

IMAGE_PIXELS = 28  # the side of an image
CLASSES = 10
MNIST_TRAINING_IMAGES = 60_000
DIGITS_TRAINING_IMAGES = 1_442
SEEDS = 2**31
MEMBERS = 100

# Limits are above what anybody needs here: a config may come from somebody else's record.
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Amount = Annotated[int, Field(ge=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Members = Annotated[int, Field(ge=1, le=MEMBERS)]
Width = Annotated[int, Field(ge=1)]
Kernel = Annotated[int, Field(ge=1, le=IMAGE_PIXELS)]
Threads = Annotated[int, Field(ge=1, le=4096)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Shift = Annotated[float, Field(ge=0, lt=IMAGE_PIXELS)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Widths = Annotated[tuple[Width, ...], Field(max_length=32)]
SomeWidths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=32)]
Kernels = Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=32)]
Activation = Literal["relu", "silu", "elu", "tanh"]


def broken_rule(key: str, expected: str, received: str, remedy: str = "") -> PydanticCustomError:
    """Returns the error of a rule between keys, for a validator to raise."""
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


def _check_images(validation: int, train: int | None, total: int) -> None:
    if validation + (train or 1) > total:
        raise broken_rule(
            "data.validation_images",
            f"at most {total} images for validation and training together",
            f"{validation} and {train or 'none'}",
        )


class MnistData(Component):
    """MNIST itself."""

    name: Literal["mnist"]
    root: Annotated[Text | None, BeforeValidator(lambda root: root or None)]  # "": as unset
    validation_images: Amount
    train_images: Count | None
    split_seed: Seed | None
    mirrors: tuple[Text, ...]
    attempts: Count
    timeout_seconds: Positive

    @model_validator(mode="after")
    def _fits_in_training_images(self) -> Self:
        _check_images(self.validation_images, self.train_images, MNIST_TRAINING_IMAGES)
        return self


class DigitsData(Component):
    """scikit-learn's digits."""

    name: Literal["digits"]
    validation_images: Amount
    train_images: Count | None
    split_seed: Seed | None

    @model_validator(mode="after")
    def _fits_in_training_images(self) -> Self:
        _check_images(self.validation_images, self.train_images, DIGITS_TRAINING_IMAGES)
        return self


class IdxData(Component):
    """A folder of IDX files."""

    name: Literal["idx"]
    root: Text
    validation_images: Amount
    train_images: Count | None
    split_seed: Seed | None


class NoAugmentation(Component):
    """Images as they are."""

    name: Literal["none"]


class Shifting(Component):
    """Moves by whole pixels."""

    name: Literal["shift"]
    max_shift_pixels: Annotated[int, Field(ge=0, lt=IMAGE_PIXELS)]


class Affine(Component):
    """Turns, scales, slants and moves."""

    name: Literal["affine"]
    max_rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    max_zoom: BelowOne
    max_shear_degrees: Annotated[float, Field(ge=0, lt=90)]
    max_shift_pixels: Shift


class Elastic(Component):
    """Affine changes, then a smooth random field."""

    name: Literal["elastic"]
    displacement_pixels: NonNegative
    smoothness_pixels: Annotated[float, Field(gt=0, le=IMAGE_PIXELS)]
    max_rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    max_zoom: BelowOne
    max_shear_degrees: Annotated[float, Field(ge=0, lt=90)]
    max_shift_pixels: Shift


class Mlp(Component):
    """A multilayer perceptron."""

    name: Literal["mlp"]
    hidden_units: Widths
    activation: Activation
    dropout: BelowOne

    def parameters(self) -> int:
        """Returns how many weights the model has, without batch norm's."""
        return _dense(IMAGE_PIXELS**2, self.hidden_units)


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
        pool_sizes = self.pool_sizes or (2,) * len(self.filters)
        for key, sizes in (("kernel_sizes", self.kernel_sizes), ("pool_sizes", pool_sizes)):
            if len(sizes) != len(self.filters):
                raise broken_rule(
                    f"model.{key}",
                    f"as many as model.filters, which has {len(self.filters)}",
                    str(list(sizes)),
                )
        side = IMAGE_PIXELS
        pairs = zip(self.kernel_sizes, pool_sizes, strict=True)
        for number, (kernel_size, pool_size) in enumerate(pairs, start=1):
            side = (side - kernel_size + 1) // pool_size
            if side < 1:
                raise too_deep("model.filters", f"{len(self.filters)} convolutions", number)
        return self

    def parameters(self) -> int:
        """Returns how many weights the model has at most, without batch norm's."""
        convolutions = _convolutions(self.filters, self.kernel_sizes)
        return convolutions + _dense(IMAGE_PIXELS**2 * self.filters[-1] // 4, self.dense_units)


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
        side = IMAGE_PIXELS
        for number, (block, size) in enumerate(zip(self.blocks, sizes, strict=True), start=1):
            if number > 1:
                side //= 2
            if self.padding == "valid":
                side -= (size - 1) * len(block)
            if side < 1:
                raise too_deep("model.blocks", f"{len(self.blocks)} blocks", number)
        return self

    def parameters(self) -> int:
        """Returns how many weights the model has at most, without batch norm's."""
        pairs = zip(self.blocks, self._kernel_sizes(), strict=True)
        filters, sizes = zip(*((w, size) for block, size in pairs for w in block), strict=True)
        convolutions = _convolutions(filters, sizes)
        pixels = (IMAGE_PIXELS // 2 ** (len(self.blocks) - 1)) ** 2
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


def too_deep(key: str, parts: str, number: int) -> PydanticCustomError:
    """Returns the error of a model that has used up the image at its `number`-th part."""
    image = f"{IMAGE_PIXELS}x{IMAGE_PIXELS} image"
    return broken_rule(
        key,
        f"convolutions and pools that leave at least 1x1 of the {image}",
        f"{parts}, of which number {number} finds nothing left; the model is too deep",
        "Use fewer, or smaller kernels.",
    )


class Sgd(Component):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    learning_rate: Positive
    momentum: BelowOne
    nesterov: bool
    weight_decay: NonNegative


class Adam(Component):
    """Adam."""

    name: Literal["adam"]
    learning_rate: Positive
    beta_1: BelowOne
    beta_2: BelowOne
    epsilon: Positive


class AdamW(Component):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    learning_rate: Positive
    beta_1: BelowOne
    beta_2: BelowOne
    epsilon: Positive
    weight_decay: NonNegative


class Muon(Component):
    """Muon for kernels, Adam for the rest."""

    name: Literal["muon"]
    learning_rate: Positive
    momentum: BelowOne
    weight_decay: NonNegative


class Constant(Component):
    """The same learning rate at every step."""

    name: Literal["constant"]


class Cosine(Component):
    """A linear rise and half a cosine down."""

    name: Literal["cosine"]
    warmup_fraction: Fraction
    final_fraction: Fraction


class OneCycle(Component):
    """One rise and one fall."""

    name: Literal["one_cycle"]
    warmup_fraction: Fraction
    initial_fraction: Fraction
    final_fraction: Fraction


class Training(Section):
    """How the model is fitted."""

    epochs: Count
    batch_size: Count
    precision: Literal["float32", "bfloat16", "auto"]
    threads: Threads | None
    label_smoothing: BelowOne
    plain_fraction: Fraction
    weight_averaging: Annotated[float, Field(gt=0, lt=1)] | None
    best_weights: bool
    early_stopping_patience: Count | None
    keep_checkpoints: bool


class Ensemble(Section):
    """How many networks, each with a seed of its own, are trained for one model."""

    members: Members


class Tracking(Section):
    """Where MLflow lives."""

    uri: Text | None
    experiment: Text


class Sweep(Section):
    """What `-m` does with many jobs; `name` and `job` are set for each of them."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None
    job: Amount | None
    on_failure: Literal["continue", "stop"]
    retries: Amount
    rerun: Literal["none", "stale", "all"]


class Sampling(Component):
    """Trials one after the other, at random or by what was learnt (TPE); bad ones are cut off."""

    name: Literal["random", "tpe"]
    trials: Count
    seed: Amount
    pruner: Literal["none", "median", "hyperband"]
    warmup_epochs: Amount


class Halving(Component):
    """Many short trainings, and longer ones for the best of them."""

    name: Literal["halving"]
    trials: Count
    seed: Amount
    reduction: Annotated[int, Field(ge=2)]
    min_epochs: Count


Data = Annotated[MnistData | DigitsData | IdxData, Field(discriminator="name")]
Augmentation = Annotated[NoAugmentation | Shifting | Affine | Elastic, Field(discriminator="name")]
Model = Annotated[Mlp | Cnn | DeepCnn, Field(discriminator="name")]
Optimizer = Annotated[Sgd | Adam | AdamW | Muon, Field(discriminator="name")]
Schedule = Annotated[Constant | Cosine | OneCycle, Field(discriminator="name")]
Search = Annotated[Sampling | Halving, Field(discriminator="name")]


class Config(Section):
    """One experiment, whole and checked."""

    seed: Seed
    description: str | None
    data: Data
    augmentation: Augmentation
    model: Model
    optimizer: Optimizer
    schedule: Schedule
    training: Training
    ensemble: Ensemble
    tracking: Tracking
    sweep: Sweep
    search: Search | None
