"""What a config chooses by name: one annotated function each, built in or of a user's own.

The function is called when a run is built. What checks a config, the signature and what is
registered beside it, needs neither TensorFlow nor NumPy.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mnist_exp.config import registry, sources
from mnist_exp.config.fields import Component, broken_rule
from mnist_exp.config.registry import (
    Function,
    Metric,
    Registered,
    Rule,
    Size,
    Source,
    registering,
)

__all__ = [
    "augmentation",
    "build",
    "dataset",
    "loss",
    "metric",
    "metrics",
    "model",
    "named",
    "optimizer",
    "parameters",
    "schedule",
    "scores",
    "used",
]


def dataset(
    name: str, *, training_images: int | None = None, rule: Rule | None = None
) -> Callable[[Function], Function]:
    """Registers a function that returns images as an option of `data`.

    Its section also says how the training images are divided.

    Args:
        name: of the data set.
        training_images: how many it has, where that is known before it is read.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments, `(...) -> Official`.
    """

    def checked(**options: Any) -> None:
        if training_images is not None:
            _check_images(options["validation_images"], options["train_images"], training_images)
        if rule is not None:
            rule(**options)

    return registering("data", name, rule=checked)


def augmentation(
    name: str, *, rule: Rule | None = None, mixes: bool = False
) -> Callable[[Function], Function]:
    """Registers a function that returns a random change of training images.

    The change is stateless: the same seed, int32 [2], gives the same images, float32 [batch, 28,
    28, 1] of 0 to 255.

    Args:
        name: of the augmentation.
        rule: between the options.
        mixes: whether it makes one image of several, and so changes targets, float32 [batch, 10].

    Returns:
        A decorator of a function of keyword arguments that returns `(images, seed) -> images`, or
        where it mixes `(images, targets, seed) -> (images, targets)`.
    """
    return registering("augmentation", name, rule=rule, mixes=mixes)


def model(
    name: str, *, rule: Rule | None = None, parameters: Size | None = None
) -> Callable[[Function], Function]:
    """Registers a function that builds a network.

    Args:
        name: of the model.
        rule: between the options.
        parameters: counts the weights, at most, without batch norm's.

    Returns:
        A decorator of a function of keyword arguments that returns a Keras model, float [batch, 28,
        28, 1] in [0, 1] -> logits [batch, 10].
    """
    return registering("model", name, rule=rule, parameters=parameters)


def optimizer(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that makes an optimizer.

    Args:
        name: of the optimizer.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments that returns a Keras optimizer, at its peak
        learning rate.
    """
    return registering("optimizer", name, rule=rule)


def schedule(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that makes a schedule of the learning rate.

    Args:
        name: of the schedule.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments, `(...) -> Schedule`.
    """
    return registering("schedule", name, rule=rule)


def loss(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that makes a loss.

    Args:
        name: of the loss.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments, `(...) -> Loss`.
    """
    return registering("loss", name, rule=rule)


def metric(name: str) -> Callable[[Function], Function]:
    """Registers a function of predictions, to be recorded as `val/NAME` and `test/NAME`.

    Args:
        name: of the metric.

    Returns:
        A decorator of a function `(probabilities, labels) -> float`, of float32 [N, 10] and uint8
        [N].
    """
    return registry.registering_metric(name)


def metrics() -> Mapping[str, Metric]:
    """Returns name -> metric."""
    sources.load()
    return registry.metrics()


def scores(names: Iterable[str]) -> dict[str, Callable[..., float]]:
    """Returns name -> function of the metrics of these names."""
    return {name: metrics()[name].function for name in names}


def named(group: str) -> Mapping[str, Registered]:
    """Returns name -> component, of a group.

    Args:
        group: one of `GROUPS`.
    """
    sources.load()
    return registry.of_group(group)


def build(group: str, section: Component) -> Any:
    """Calls the function of a component with its options.

    Args:
        group: one of `GROUPS`.
        section: of a checked config.
    """
    return named(group)[section.name].function(**section.options())


def parameters(section: Component) -> int:
    """Returns how many weights the model of a section has at most; 0 where nobody says."""
    size = named("model")[section.name].parameters
    return 0 if size is None else size(**section.options())


def used(config: Any) -> list[Source]:
    """Returns the sources of a user's own that the components of a config come from.

    Args:
        config: a checked one.
    """
    sections = ((group, getattr(config, group)) for group in registry.GROUPS)
    found = [named(group)[section.name].source for group, section in sections]
    found += [metrics()[name].source for name in config.metrics]
    return sorted({source for source in found if source is not None}, key=lambda s: s.name)


def _check_images(validation: int, train: int | None, total: int) -> None:
    if train is not None and train > total:
        raise broken_rule("data.train_images", f"at most {total:,} images", f"{train:,}")
    if validation >= total:
        expected = f"at most {total - 1:,}, so that an image remains for training"
        raise broken_rule("data.validation_images", expected, f"{validation:,}")
    if train is not None and validation + train > total:
        expected = f"at most {total:,} images for validation and training together"
        raise broken_rule("data.validation_images", expected, f"{validation:,} and {train:,}")
