"""Dotted keys: what the schema has for them, and where they are in nested values."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from mnist_exp.config.fields import Component
from mnist_exp.config.registry import GROUPS
from mnist_exp.config.schema import config_type
from mnist_exp.config.wording import describe

GROUPED = {*GROUPS, "training", "tracking", "search"}  # sections that options fill


def schema_keys() -> dict[str, list[str]]:
    """Returns every dotted key that any option has -> the names of the components that have it.

    The list is empty for keys that do not depend on a choice.
    """
    keys: dict[str, list[str]] = {}
    for section, field in config_type().model_fields.items():
        keys.setdefault(section, [])
        for model in models_of(field.annotation):
            for key in model.model_fields:
                owners = keys.setdefault(f"{section}.{key}", [])
                if issubclass(model, Component) and key != "name":
                    owners.extend(component_names(model))
    return keys


def takes_list(key: str) -> bool:
    """Tells whether the value of a dotted key may be a list."""
    return any("a list of" in describe(f.annotation, f.metadata) for f in _fields(key))


def takes(key: str, value: Any) -> bool:
    """Tells whether a value fits a dotted key, of any component that has it."""
    for field in _fields(key):
        kind: Any = Annotated[field.annotation, field]
        with contextlib.suppress(ValidationError):
            TypeAdapter(kind).validate_json(json.dumps(value, default=repr), strict=True)
            return True
    return False


def named_values(key: str) -> list[str]:
    """Returns the values of a dotted key that have names, `true` and `null` among them."""
    return list(dict.fromkeys(text for f in _fields(key) for text in _names_in(f.annotation)))


def _fields(key: str) -> list[FieldInfo]:
    """Returns the fields of a dotted key, one for each component that has it."""
    section, dot, name = key.partition(".")
    field = config_type().model_fields.get(section)
    if field is None or not dot:
        return [] if field is None else [field]
    found = (model.model_fields.get(name) for model in models_of(field.annotation))
    return [inner for inner in found if inner is not None]


def _names_in(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif get_origin(annotation) in (Annotated, Union, UnionType):
        for part in get_args(annotation):
            yield from _names_in(part)
    elif annotation is bool:
        yield from ("true", "false")
    elif annotation is NoneType:
        yield "null"


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the sections that a type may be, such as those of `Sampling | Halving | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_of(inner)


def component_names(model: type[BaseModel]) -> list[str]:
    """Returns the values of `name` that choose a component; one may have several."""
    return [str(name) for name in get_args(model.model_fields["name"].annotation)]


def select(values: Mapping[str, Any], key: str) -> Any:
    """Returns the value of a dotted key; None where there is none."""
    node: Any = values
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node
