"""What a config may say: the type and the limits of every key, and the rules between keys.

Nothing here has a default; those stand in conf/. A checked config is frozen, and a component hands
its keys on as plain keyword arguments.
"""

import functools
from typing import Annotated, Any, Literal, Union

from pydantic import Field, create_model

from mnist_exp.config import components, sources
from mnist_exp.config.fields import (
    ACCURACY,
    Amount,
    Component,
    Count,
    Database,
    Device,
    Division,
    Fraction,
    Members,
    Name,
    Section,
    Seed,
    Text,
    Threads,
)
from mnist_exp.config.registry import GROUPS, Source


class Training(Section):
    """How the model is fitted."""

    epochs: Count
    batch_size: Count
    device: Device
    precision: Literal["float32", "bfloat16", "float16", "auto"]
    threads: Threads | None
    plain_fraction: Fraction
    weight_averaging: Annotated[float, Field(gt=0, lt=1)] | None
    best_weights: bool
    early_stopping_patience: Count | None
    keep_checkpoints: bool


class Ensemble(Section):
    """How many networks, each with a seed of its own, are trained for one model."""

    members: Members


class Tracking(Section):
    """Where MLflow lives, and what it gets."""

    uri: Text | None
    experiment: Text
    plots: bool


class Sweep(Section):
    """What `-m` does with many jobs; `name` and `job` are set for each of them."""

    name: Name | None
    job: Amount | None
    on_failure: Literal["continue", "stop"]
    retries: Amount
    rerun: Literal["none", "stale", "all"]
    study: Database | None


class Sampling(Component):
    """Trials one after the other, at random or by what was learnt (TPE); bad ones are cut off."""

    name: Literal["random", "tpe"]
    trials: Count
    seed: Amount
    objective: str
    pruner: Literal["none", "median", "hyperband"]
    warmup_epochs: Amount


class Halving(Component):
    """Many short trainings, and longer ones for the best of them."""

    name: Literal["halving"]
    trials: Count
    seed: Amount
    objective: str
    reduction: Annotated[int, Field(ge=2)]
    min_epochs: Count


Search = Annotated[Sampling | Halving, Field(discriminator="name")]


class Config(Section):
    """One experiment, whole and checked; `config_type` has the sections of the components."""

    seed: Seed
    description: str | None
    data: Division
    augmentation: Component
    model: Component
    optimizer: Component
    schedule: Component
    loss: Component
    metrics: tuple[str, ...]
    training: Training
    ensemble: Ensemble
    tracking: Tracking
    sweep: Sweep
    search: Search | None

    @property
    def objective(self) -> str:
        """The metric on validation that configs are compared by: accuracy, or one of `metrics`."""
        return ACCURACY if self.search is None else self.search.objective

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets a config go to other processes, with the user's own components beside it."""
        return _restored, (self.model_dump_json(), sources.loaded())


def config_type() -> type[Config]:
    """Returns the type of a config, of the components that there are."""
    return _config_type(
        tuple(tuple(c.section for c in components.named(group).values()) for group in GROUPS),
        tuple(components.metrics()),
    )


@functools.cache
def _config_type(
    sections: tuple[tuple[type[Component], ...], ...], metrics: tuple[str, ...]
) -> type[Config]:
    fields: dict[str, Any] = {
        group: (Annotated[Union[of_group], Field(discriminator="name")], ...)  # noqa: UP007
        for group, of_group in zip(GROUPS, sections, strict=True)
    }
    fields["metrics"] = (tuple[Literal[metrics], ...], ...)  # type: ignore[valid-type]
    made: type[Config] = create_model("Config", __base__=Config, **fields)
    return made


def _restored(text: str, needed: tuple[Source, ...]) -> Config:
    sources.adopt(needed)
    return config_type().model_validate_json(text)
