"""What a config may say: the type and the limits of every key, and the rules between keys.

Nothing here has a default; those stand in conf/. A checked config is frozen, and a component hands
its keys on as plain keyword arguments.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mnist_exp.config.architectures import Cnn, DeepCnn, Mlp
from mnist_exp.config.fields import (
    Amount,
    BelowOne,
    Component,
    Count,
    Device,
    Fraction,
    Members,
    Name,
    NonNegative,
    Positive,
    Section,
    Seed,
    Shift,
    Text,
    Threads,
    broken_rule,
)
from mnist_exp.core.digits import SIDE

MNIST_TRAINING_IMAGES = 60_000
DIGITS_TRAINING_IMAGES = 1_442


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
    max_shift_pixels: Annotated[int, Field(ge=0, lt=SIDE)]


class Movement(Component):
    """The limits that every augmentation with affine changes has."""

    max_rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    max_zoom: BelowOne
    max_shear_degrees: Annotated[float, Field(ge=0, lt=90)]
    max_shift_pixels: Shift


class Affine(Movement):
    """Turns, scales, slants and moves."""

    name: Literal["affine"]


class Elastic(Movement):
    """Affine changes, then a smooth random field."""

    name: Literal["elastic"]
    displacement_pixels: NonNegative
    smoothness_pixels: Annotated[float, Field(gt=0, le=SIDE)]


class Struck(Movement):
    """A line across some digits, then affine changes."""

    name: Literal["struck"]
    strike_probability: Fraction
    max_strike_width_pixels: Annotated[float, Field(ge=1, le=SIDE)]


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
    """Muon for kernels, AdamW for the rest."""

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
    device: Device
    precision: Literal["float32", "bfloat16", "float16", "auto"]
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

    name: Name | None
    job: Amount | None
    on_failure: Literal["continue", "stop"]
    retries: Amount
    rerun: Literal["none", "stale", "all"]
    study: str | None


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
Augmentation = Annotated[
    NoAugmentation | Shifting | Affine | Elastic | Struck, Field(discriminator="name")
]
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
