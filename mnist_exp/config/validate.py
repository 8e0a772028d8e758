"""What is wrong with a config, all of it: key, expectation, receipt, nearest valid name."""

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from mnist_exp.config.fields import Component
from mnist_exp.config.keys import (
    GROUPED,
    component_names,
    models_of,
    schema_keys,
    select,
    takes,
    takes_list,
)
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.rules import between_sections
from mnist_exp.config.schema import Config, config_type
from mnist_exp.config.wording import describe, nearest_key, show
from mnist_exp.core.errors import nearest

UNFIT = ("extra_forbidden", "missing")  # what follows from a section whose `name` was changed alone


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
    problems += between_sections(values)
    if problems:
        raise ConfigError(_once_per_key(problems))
    return config


def _translate(error: ValidationError, values: Mapping[str, Any]) -> Iterator[Problem]:
    foreign = _foreign_keys(error)
    for section, keys in foreign.items():
        name = select(values, f"{section}.name")
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
            models = models_of(config_type().model_fields[key].annotation)
            names = [name for model in models for name in component_names(model)]
            name = context.get("tag", "nothing")
            expected = f"one of {', '.join(names)}"
            remedy = nearest(name, names).strip()
            if name == "nothing":
                remedy = f"Its file in {key}/ needs a line `name: NAME`, not indented."
            yield Problem(f"{key}.name", expected, name, remedy)
        else:
            expected = "a key" if field is None else describe(field.annotation, field.metadata)
            expected += f": {field.description}" if field and field.description else ""
            value = select(values, key)
            if item["type"] == "missing" and value is None:
                what = "OPTION" if key in GROUPED else "VALUE"
                yield Problem(key, expected, "nothing", f"Set it with {key}={what}.")
                continue
            yield Problem(key, expected, show(value), _remedy(key, field, value))


RECIPE = "Begin a recipe with the line `# @package _global_`, in UTF-8 without a BOM."


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
    if key == "experiment" and (problem := _in_recipe(found)):
        return problem
    if not set(within).isdisjoint(Config.model_fields):
        return Problem(key, "a key of the config", "a section of one of its files", RECIPE)
    if owners:
        name = select(values, f"{section}.name")
        expected = f"a key of {section} {name}" if name else f"no key of {section}, which is null"
        remedy = f"Choose it first, with {section}=OPTION."
        return Problem(key, expected, f"a key of {' and '.join(owners)}", remedy)
    if "." in key and section in values and values[section] is None:
        return Problem(section, "a section of keys", "null", _indent(section))
    meant = nearest_key(key, [*known, *schema_keys(), "defaults"])
    return Problem(key, "a key of the config", "an unknown key", meant.strip())


def _in_recipe(found: object) -> Problem | None:
    """Returns what is wrong with the file of a recipe that became the value of `experiment`."""
    key = "experiment"
    if isinstance(found, list):
        return Problem(key, "keys in its file", "a list", "Write KEY: VALUE, without a dash.")
    if isinstance(found, str):
        remedy = f"Write `defaults:`, and below it, indented, `- {found}`."
        return Problem(key, "a recipe named among the defaults of another", found, remedy)
    return Problem(key, "keys in its file", "an empty one", RECIPE) if found == {} else None


def _indent(section: str) -> str:
    return f"In a file, indent the keys below `{section}:`, or {_choose(section, 'OPTION')}"


def _choose(group: str, option: str) -> str:
    return f"choose an option by `- override /{group}: {option}` under `defaults`."


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
        if not owners or select(values, f"{key.partition('.')[0]}.name") in owners
    ]


def _locate(location: tuple[int | str, ...]) -> tuple[str, FieldInfo | None]:
    """Returns the field of an error and its dotted key, without union tags and indices."""
    section = str(location[0])
    field = config_type().model_fields.get(section)
    rest = list(location[1:])
    models = list(models_of(field.annotation)) if field else []
    if rest and models and issubclass(models[0], Component):
        tag = rest.pop(0)
        models = [model for model in models if tag in component_names(model)]
    if not rest or not models:
        return section, field
    name = str(rest[0])
    inner = models[0].model_fields.get(name) if models else None
    return f"{section}.{name}", inner


def _remedy(key: str, field: FieldInfo | None, value: Any) -> str:
    text = value if isinstance(value, str) else show(value)
    is_endless = isinstance(value, float) and not math.isfinite(value)
    remedy = "Write one that is finite." if is_endless else ""
    if key in GROUPED and isinstance(value, str) and ":" in value:
        remedy = "In a file, a space stands behind the colon of a key."
    elif key in GROUPED:
        option = value if isinstance(value, str) else "OPTION"
        remedy = _indent(key) if value is None else f"In a file, {_choose(key, option)}"
    elif isinstance(value, int | float) and takes(key, text):
        remedy = f"In a file, it becomes text in quotes: '{text}'."
    elif text.casefold() == "none" and takes(key, None):
        remedy = "Write null."
    elif takes(key, [value]):
        remedy = f"Write {key}=[{text}]."
    elif isinstance(value, list) and value and all(takes(key, one) for one in value):
        several = ",".join(map(str, value))
        to_sweep = "To sweep over them, with -m, write" if len(value) > 1 else "Write"
        remedy = f"{to_sweep} {key}={several}."
    elif isinstance(value, str) and takes(key, _number_in(value)):
        of_variable = f"'{key}=${{oc.decode:${{oc.env:NAME}}}}'"
        remedy = f"It is text. Write {key}={text}; of a variable, {of_variable}."
    elif isinstance(value, str) and takes_list(key):
        remedy = f"A list is written like {key}=[A,B], without quotes around it."
    elif field is not None and get_origin(field.annotation) is Literal:
        remedy = nearest(text, map(str, get_args(field.annotation))).strip()
    return remedy


def _number_in(text: str) -> Any:
    """Returns the number that a text says; the text where it says none."""
    with contextlib.suppress(ValueError, RecursionError):  # 5,000 digits, 1,000 brackets
        return json.loads(text)
    return text


def _once_per_key(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Drops what follows from a problem already named, such as a missing value's absence."""
    seen: set[str] = set()
    for problem in problems:
        if problem.key not in seen:
            yield problem
        seen.add(problem.key)
