"""What is wrong with a config, all of it: key, expectation, receipt, nearest valid name."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from mnist_exp.config import components
from mnist_exp.config.fields import ACCURACY, MEMBERS, SEEDS, Component
from mnist_exp.config.registry import GROUPS
from mnist_exp.config.schema import Config, config_type
from mnist_exp.config.wording import describe, nearest_key, show
from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.terminal import printable

GROUPED = {*GROUPS, "training", "tracking", "search"}  # sections that options fill
UNFIT = ("extra_forbidden", "missing")  # what follows from a section whose `name` was changed alone


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a config."""

    key: str  # dotted, or the override as it was typed
    expected: str
    received: str
    remedy: str = ""

    def __str__(self) -> str:
        """Returns the problem as one line."""
        line = f"{self.key}: Expected {self.expected}. Received: {self.received}."
        return f"{line} {self.remedy}" if self.remedy else line


class ConfigError(RequestError):
    """The config is wrong; `problems` holds everything that is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keeps each distinct problem once, in the order of discovery."""
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Returns one line for each problem, under a line that counts them."""
        count = len(self.problems)
        title = "1 problem" if count == 1 else f"{count} problems"
        lines = [f"The config has {title}; nothing was run."]
        lines += [f"  {printable(str(problem))}" for problem in self.problems]
        lines.append("Every key and its value: mnist-exp train --cfg job")
        return "\n".join(lines)


def validate(values: Mapping[str, Any], known: Iterable[Problem] = ()) -> Config:
    """Checks plain nested values against the schema.

    Args:
        values: the whole config as dicts, lists and scalars.
        known: problems found before; keys that they name are not reported again.

    Returns:
        The checked config.

    Raises:
        ConfigError: with every problem, the known ones first.
    """
    problems = list(known)
    try:
        config = config_type().model_validate_json(json.dumps(values, default=repr), strict=True)
    except ValidationError as error:
        problems += _translate(error, values)
    problems += _between_sections(values)
    if problems:
        raise ConfigError(_once_per_key(problems))
    return config


def _between_sections(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields what is wrong between sections, also where others are wrong."""
    yield from _without_validation(values)
    yield from _too_many_seeds(values)
    yield from _unmeasured_objective(values)


def _without_validation(values: Mapping[str, Any]) -> Iterator[Problem]:
    if _select(values, "data.validation_images") != 0:
        return
    for key, off in (("best_weights", False), ("early_stopping_patience", None)):
        value = _select(values, f"training.{key}")
        if value:
            yield Problem(
                f"training.{key}",
                f"{show(off)} where data.validation_images is 0, for it looks at validation",
                show(value),
                f"Set training.{key}={show(off)}, or hold out images with data.validation_images.",
            )


def _too_many_seeds(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields a problem where the members of an ensemble would have seeds that are none."""
    seed, members = values.get("seed"), _select(values, "ensemble.members")
    if not isinstance(seed, int) or not isinstance(members, int) or not 1 < members <= MEMBERS:
        return
    highest = SEEDS // members - 1
    if highest < seed < SEEDS:
        yield Problem(
            "seed",
            f"at most {highest:,} where ensemble.members is {members}, for each member has a seed "
            f"of its own, from seed * {members} on",
            str(seed),
            "Use a smaller seed.",
        )


def _unmeasured_objective(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields a problem where a search goes by what is not measured."""
    objective, asked = _select(values, "search.objective"), values.get("metrics")
    if not isinstance(objective, str) or not isinstance(asked, list):
        return
    names = [ACCURACY, *map(str, asked)]
    if objective in names:
        return
    remedy = nearest(objective, names)
    if objective in components.metrics():
        remedy = f"Have it measured: metrics=[{','.join([*names[1:], objective])}]."
    expected = f"{ACCURACY}, or a name in metrics, which has {', '.join(names[1:]) or 'none'}"
    yield Problem("search.objective", expected, show(objective), remedy.strip())


def schema_keys() -> dict[str, list[str]]:
    """Returns every dotted key that any option has -> the names of the components that have it.

    The list is empty for keys that do not depend on a choice.
    """
    keys: dict[str, list[str]] = {}
    for section, field in config_type().model_fields.items():
        keys.setdefault(section, [])
        for model in _models(field.annotation):
            for key in model.model_fields:
                owners = keys.setdefault(f"{section}.{key}", [])
                if issubclass(model, Component) and key != "name":
                    owners.extend(_component_names(model))
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
    found = (model.model_fields.get(name) for model in _models(field.annotation))
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


def _translate(error: ValidationError, values: Mapping[str, Any]) -> Iterator[Problem]:
    foreign = _foreign_keys(error)
    for section, keys in foreign.items():
        name = _select(values, f"{section}.name")
        remedy = f"Choose a component and its keys together, with {section}=OPTION."
        yield Problem(section, f"the keys of {name}", f"also {', '.join(keys)}", remedy)
    for item in error.errors(include_url=False):
        if item["loc"] and item["loc"][0] in foreign and item["type"] in UNFIT:
            continue
        context = item.get("ctx", {})
        if item["type"] == "rule":
            yield Problem(
                context["key"], context["expected"], context["received"], context["remedy"]
            )
            continue
        if item["type"] == "json_invalid":
            yield Problem("config", "text in UTF-8", "other bytes", "Write it in UTF-8.")
            continue
        key, field = _locate(item["loc"])
        if item["type"] == "extra_forbidden":
            yield unknown_key(key, values, _known_keys(values))
        elif item["type"] in ("union_tag_invalid", "union_tag_not_found"):
            models = _models(config_type().model_fields[key].annotation)
            names = [name for model in models for name in _component_names(model)]
            name = context.get("tag", "nothing")
            expected = f"one of {', '.join(names)}"
            remedy = nearest(name, names).strip()
            if name == "nothing":
                remedy = f"Its file in {key}/ needs a line `name: NAME`, not indented."
            yield Problem(f"{key}.name", expected, name, remedy)
        else:
            expected = "a key" if field is None else describe(field.annotation, field.metadata)
            expected = field.description or expected if field else expected
            if item["type"] == "missing":
                value = "OPTION" if key in GROUPED else "VALUE"
                yield Problem(key, expected, "nothing", f"Set it with {key}={value}.")
                continue
            value = _select(values, key)
            yield Problem(key, expected, show(value), _remedy(key, field, value))


def unknown_key(key: str, values: Mapping[str, Any], known: Iterable[str]) -> Problem:
    """Returns the problem of a key that this config does not have.

    Args:
        key: the dotted key.
        values: the config that lacks it, for the names of its components.
        known: the keys to look for the nearest in.
    """
    section = key.partition(".")[0]
    owners = schema_keys().get(key)
    found = values.get(key)
    within = [name.partition(".")[0] for name in found] if isinstance(found, Mapping) else []
    if "." in key and key in values:  # `training.epochs: 3` in a file
        remedy = f"In a file write `{section}:`, and below it, indented, the rest."
        return Problem(key, "a key of the config", "a key with a dot", remedy)
    if not set(within).isdisjoint(Config.model_fields):
        remedy = "Begin a recipe with the line `# @package _global_`."
        return Problem(key, "a key of the config", "a section of one of its files", remedy)
    if owners:
        name = _select(values, f"{section}.name")
        expected = f"a key of {section} {name}" if name else f"no key of {section}, which is null"
        remedy = f"Choose it first, with {section}=OPTION."
        return Problem(key, expected, f"a key of {' and '.join(owners)}", remedy)
    meant = nearest_key(key, [*known, *schema_keys()])
    return Problem(key, "a key of the config", "an unknown key", meant.strip())


def _foreign_keys(error: ValidationError) -> dict[str, list[str]]:
    """Returns section -> keys in it that belong to another component than the section's `name`."""
    owners = schema_keys()
    foreign: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            section, _, key = _locate(item["loc"])[0].partition(".")
            if owners.get(f"{section}.{key}"):
                foreign.setdefault(section, []).append(key)
    return foreign


def _known_keys(values: Mapping[str, Any]) -> list[str]:
    """Returns the keys that the schema has for the components of a config."""
    return [
        key
        for key, owners in schema_keys().items()
        if not owners or _select(values, f"{key.partition('.')[0]}.name") in owners
    ]


def _locate(location: tuple[int | str, ...]) -> tuple[str, FieldInfo | None]:
    """Returns the field of an error and its dotted key, without union tags and indices."""
    section = str(location[0])
    field = config_type().model_fields.get(section)
    rest = list(location[1:])
    models = list(_models(field.annotation)) if field else []
    if rest and models and issubclass(models[0], Component):
        tag = rest.pop(0)
        models = [model for model in models if tag in _component_names(model)]
    if not rest or not models:
        return section, field
    name = str(rest[0])
    inner = models[0].model_fields.get(name) if models else None
    return f"{section}.{name}", inner


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the sections that a type may be, such as those of `Sampling | Halving | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _component_names(model: type[BaseModel]) -> list[str]:
    """Returns the values of `name` that choose a component; one may have several."""
    return [str(name) for name in get_args(model.model_fields["name"].annotation)]


def _remedy(key: str, field: FieldInfo | None, value: Any) -> str:
    text = value if isinstance(value, str) else show(value)
    remedy = ""
    if key in GROUPED:
        option = value if isinstance(value, str) else "OPTION"
        remedy = f"In a file, choose an option by `- override /{key}: {option}` under `defaults`."
    elif isinstance(value, int | float) and takes(key, text):
        remedy = f"In a file, it becomes text in quotes: '{text}'."
    elif text.casefold() == "none" and takes(key, None):
        remedy = "Write null."
    elif takes(key, [value]):
        remedy = f"Write {key}=[{text}]."
    elif isinstance(value, list) and value and all(takes(key, one) for one in value):
        several = ",".join(map(str, value))
        remedy = f"To sweep over them, with -m, write {key}={several}."
    elif isinstance(value, str) and takes_list(key):
        remedy = f"A list is written like {key}=[A,B], without quotes around it."
    elif field is not None and get_origin(field.annotation) is Literal:
        remedy = nearest(text, map(str, get_args(field.annotation))).strip()
    return remedy


def _select(values: Mapping[str, Any], key: str) -> Any:
    node: Any = values
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _once_per_key(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Drops what follows from a problem already named, such as a missing value's absence."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key not in seen:
            yield problem
        seen.add(problem.key)
