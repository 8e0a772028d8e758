"""What a config chooses by name: one annotated function each.

The section of a component, its keys with their types and limits, is what the signature of its
function says; the defaults stand in YAML. The function is called when a run is built. What checks a
config, the signature and what is registered beside it, needs neither TensorFlow nor NumPy.
"""

import functools
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any, Literal, TypeVar

from pydantic import create_model, model_validator

from mnist_exp.config.fields import Component, Division, broken_rule
from mnist_exp.core.errors import RequestError

GROUPS: Mapping[str, type[Component]] = MappingProxyType(
    {
        "data": Division,
        "augmentation": Component,
        "model": Component,
        "optimizer": Component,
        "schedule": Component,
    }
)
# Each is imported to check a config: what takes long to import is imported within a function.
_BUILT_IN = (
    "mnist_exp.data.sets",
    "mnist_exp.training.augmentations",
    "mnist_exp.models.architectures",
    "mnist_exp.training.optimizers",
    "mnist_exp.training.schedules",
)

Function = TypeVar("Function", bound=Callable[..., Any])
Rule = Callable[..., None]  # of the options, as keyword arguments; raises `broken_rule`
Size = Callable[..., int]  # of the options, as keyword arguments


@dataclass(frozen=True)
class Registered:
    """One component."""

    function: Callable[..., Any]
    section: type[Component]  # of a config
    parameters: Size | None = None  # of a model: how many weights it has at most


_registered: dict[str, dict[str, Registered]] = {group: {} for group in GROUPS}


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

    return _registering("data", name, rule=checked)


def augmentation(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that returns a random change of training images.

    Args:
        name: of the augmentation.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments, `(...) -> Augmentation`.
    """
    return _registering("augmentation", name, rule=rule)


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
    return _registering("model", name, rule=rule, parameters=parameters)


def optimizer(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that makes an optimizer.

    Args:
        name: of the optimizer.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments that returns a Keras optimizer, at its peak
        learning rate.
    """
    return _registering("optimizer", name, rule=rule)


def schedule(name: str, *, rule: Rule | None = None) -> Callable[[Function], Function]:
    """Registers a function that makes a schedule of the learning rate.

    Args:
        name: of the schedule.
        rule: between the options.

    Returns:
        A decorator of a function of keyword arguments, `(...) -> Schedule`.
    """
    return _registering("schedule", name, rule=rule)


def named(group: str) -> Mapping[str, Registered]:
    """Returns name -> component, of a group.

    Args:
        group: one of `GROUPS`.
    """
    _load_built_in()
    return _registered[group]


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


@functools.cache
def _load_built_in() -> None:
    for module in _BUILT_IN:
        importlib.import_module(module)


def _registering(
    group: str, name: str, *, rule: Rule | None = None, parameters: Size | None = None
) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        section = _section(group, name, function, rule)
        _registered[group][name] = Registered(function, section, parameters)
        return function

    return register


def _section(
    group: str, name: str, function: Callable[..., Any], rule: Rule | None
) -> type[Component]:
    """Returns what a config may say of a component.

    Raises:
        RequestError: the function's signature does not say it.
    """
    arguments = inspect.signature(function).parameters.values()
    for argument in arguments:
        wrong = _wrong(argument)
        if wrong:
            raise RequestError(
                f"Expected {function.__name__}, the function of {group} {name}, to have "
                f"keyword-only arguments with types and no defaults, which stand in YAML. "
                f"Received: {argument}, {wrong}."
            )
    unread = SimpleNamespace(__annotations__={each.name: each.annotation for each in arguments})
    types = typing.get_type_hints(unread, getattr(function, "__globals__", {}), include_extras=True)
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    fields |= {key: (kind, ...) for key, kind in types.items()}

    def check(section: Component) -> Component:
        if rule is not None:
            rule(**section.options())
        return section

    validators: dict[str, Any] = {"check_rule": model_validator(mode="after")(check)}
    return typing.cast(
        "type[Component]",
        create_model(
            f"{group}_{name}",
            __base__=GROUPS[group],
            __doc__=inspect.getdoc(function),
            __validators__=validators,
            **fields,
        ),
    )


def _wrong(argument: inspect.Parameter) -> str:
    """Returns what keeps an argument from being a key of a config; nothing if all is well."""
    if argument.kind is not argument.KEYWORD_ONLY:
        return "which may be given without its name; put `*` before the first"
    if argument.annotation is argument.empty:
        return "which has no type"
    if argument.default is not argument.empty:
        return "which has a default"
    return "whose name is taken" if argument.name == "name" else ""


def _check_images(validation: int, train: int | None, total: int) -> None:
    if validation + (train or 1) > total:
        raise broken_rule(
            "data.validation_images",
            f"at most {total} images for validation and training together",
            f"{validation} and {train or 'none'}",
        )
