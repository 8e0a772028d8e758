"""The config as JSON Schema, for editors: what `schema` says, of files that say a part of it.

A recipe says some keys of some sections; an option says all keys of its own, or with `defaults`
some of them. Any value may be an interpolation of OmegaConf's. Rules between keys are left out.
"""

from collections.abc import Iterator
from typing import Any

from mnist_exp.config.schema import config_type

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INTERPOLATED = {"type": "string", "pattern": r"\$\{.+\}|^\?\?\?$"}
_DEFAULTS = {"type": "array", "description": "Options that this file builds on."}
_BY_NAME = ("properties", "$defs")  # whose keys are names, not those of a schema
Schema = dict[str, Any]


def of_recipe() -> Schema:
    """Returns the JSON Schema of a recipe, which may say any part of the config."""
    whole = _part(config_type().model_json_schema())
    whole["properties"] |= {"defaults": _DEFAULTS, "hydra": {"type": "object"}}
    return {"$schema": DIALECT, "title": "A recipe of mnist_exp", **whole}


def of_option(group: str) -> Schema:
    """Returns the JSON Schema of an option's file.

    Args:
        group: of the config, such as `model`.
    """
    schema = config_type().model_json_schema()
    definitions = schema["$defs"]
    complete = [_readable(definitions[name]) for name in _named(schema["properties"][group])]
    partial = [_part(option) for option in complete]
    for option in partial:
        option["properties"] = option["properties"] | {"defaults": _DEFAULTS}
    return {
        "$schema": DIALECT,
        "title": f"An option of the group {group} of mnist_exp",
        "type": "object",
        "if": {"required": ["defaults"]},
        "then": {"anyOf": partial},
        "else": {"anyOf": complete},
    }


def _named(value: Schema) -> Iterator[str]:
    """Yields the definitions that a section may be."""
    for option in [value, *value.get("oneOf", ()), *value.get("anyOf", ())]:
        if option is not value:
            yield from _named(option)
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2]


def _part(schema: Any) -> Any:
    """Returns a schema that asks for no key; components are told apart by those that are there."""
    if isinstance(schema, list):
        return [_part(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        "anyOf" if key == "oneOf" else key: _parts(value) if key in _BY_NAME else _part(value)
        for key, value in _readable(schema).items()
        if key not in ("required", "discriminator")
    }


def _parts(schemas: Schema) -> Schema:
    return {name: _part(schema) for name, schema in schemas.items()}


def _readable(schema: Schema) -> Schema:
    """Returns a schema without titles made of names, whose values may be interpolations."""
    kept = {key: value for key, value in schema.items() if key != "title"}
    if "description" in kept:
        kept["description"] = kept["description"].partition("\n\n")[0]
    if "properties" in kept:
        kept["properties"] = {
            name: value if _is_section(value) else _value(value)
            for name, value in kept["properties"].items()
        }
    return kept


def _is_section(value: Schema) -> bool:
    return any(True for _ in _named(value))


def _value(value: Schema) -> Schema:
    kept = {key: item for key, item in value.items() if key != "title"}
    if _INTERPOLATED in kept.get("anyOf", ()):
        return kept
    return {"anyOf": [*kept.get("anyOf", [kept]), _INTERPOLATED]}
