"""A config in the forms that a record needs: nested, flat, and as a digest."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mnist_exp.config import components
from mnist_exp.config.identity import NOT_THE_RESULT
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.schema import Config
from mnist_exp.config.validate import validate
from mnist_exp.core.text import password_removed, without_password

MOST_PARAMETERS = 100_000_000
_GROUP_DIGITS = 8


def to_record(config: Config) -> dict[str, Any]:
    """Returns the config as nested dicts, lists and scalars, as JSON and YAML hold them.

    The addresses of a tracking server and of a study's database have no password.
    """
    record = config.model_dump(mode="json")
    if config.tracking.uri is not None:
        record["tracking"]["uri"] = password_removed(config.tracking.uri)
    if config.sweep.study is not None:
        record["sweep"]["study"] = password_removed(config.sweep.study)
    return record


def from_record(record: Mapping[str, Any]) -> Config:
    """Returns the config that `to_record` recorded.

    Raises:
        ConfigError: the record does not fit the schema.
    """
    values = dict(record)
    if isinstance(tracking := record.get("tracking"), Mapping):  # which had no such key once
        values["tracking"] = {"plots": True, **tracking}
    return validate(values, [])


def rebuilt(record: Mapping[str, Any], local: Mapping[str, Any]) -> Config:
    """Returns the config of an experiment that was recorded, to be run here.

    Args:
        record: what determines the result is taken from it.
        local: a config's nested values; the rest, `NOT_THE_RESULT`, is taken from them.

    Raises:
        ConfigError: the record does not fit the schema, as in `from_record`, or its model is so
            large that it could only be meant to fill the memory.
    """
    values = dict(record)
    for section, keys in NOT_THE_RESULT.items():
        if isinstance(keys, bool):
            values[section] = local.get(section)
        elif isinstance(section_of_record := record.get(section), Mapping):
            kept = {key: value for key, value in section_of_record.items() if key not in keys}
            own = {key: value for key, value in local[section].items() if key in keys}
            values[section] = kept | own
    config = from_record(values)
    parameters = components.parameters(config.model) * config.ensemble.members
    if parameters > MOST_PARAMETERS:
        expected = f"at most {MOST_PARAMETERS:,} parameters in a model of a record"
        raise ConfigError([Problem("model", expected, f"up to {parameters:,}")])
    return config


def flatten(config: Config) -> dict[str, str]:
    """Returns dotted key -> value as text: strings as they are, all else as JSON (`[32, 64]`).

    An address, such as `tracking.uri`, has no password: this is for others to read.
    """
    return {key: without_password(text) for key, text in _flatten("", to_record(config))}


def digest(config: Config) -> str:
    """Returns the SHA-256, as 64 hex digits, of what determines the experiment.

    Where data lie, how they are fetched, where the run is tracked, the sweep it belongs to, its
    description, the device, the number of threads and what becomes of checkpoints are left out.
    """
    record = config.model_dump(mode="json", exclude=NOT_THE_RESULT)
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def group(config: Config) -> str:
    """Returns a short name of a config, with any seed and metrics: the model, eight hex digits."""
    data = config.data.model_copy(update={"split_seed": None})
    text = digest(config.model_copy(update={"seed": 0, "data": data, "metrics": ()}))
    return f"{config.model.name}-{text[:_GROUP_DIGITS]}"


def _flatten(prefix: str, section: dict[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            pairs += _flatten(f"{prefix}{key}.", value)
        else:
            pairs.append((prefix + key, value if isinstance(value, str) else json.dumps(value)))
    return pairs
