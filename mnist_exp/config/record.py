"""A config in the forms that a record needs: nested, flat, and as a digest."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mnist_exp.config.report import validate
from mnist_exp.config.schema import Config

# What may differ between two runs of the same experiment.
NOT_THE_RESULT: dict[str, bool | set[str]] = {
    "description": True,
    "tracking": True,
    "sweep": True,
    "search": True,
    "data": {"root", "mirrors", "attempts", "timeout_seconds"},
    "training": {"threads", "keep_checkpoints"},
}


def to_record(config: Config) -> dict[str, Any]:
    """Returns the config as nested dicts, lists and scalars, as JSON and YAML hold them."""
    return config.model_dump(mode="json")


def from_record(record: Mapping[str, Any]) -> Config:
    """Returns the config that `to_record` recorded.

    Raises:
        ConfigError: the record does not fit the schema.
    """
    return validate(record)


def flatten(config: Config) -> dict[str, str]:
    """Returns dotted key -> value as text: strings as they are, all else as JSON (`[32, 64]`)."""
    return dict(_flatten("", to_record(config)))


def digest(config: Config) -> str:
    """Returns the SHA-256, as 64 hex digits, of what determines the experiment.

    Where data lie, how they are fetched, where the run is tracked, the sweep it belongs to, its
    description, the number of threads and what becomes of checkpoints are left out.
    """
    record = config.model_dump(mode="json", exclude=NOT_THE_RESULT)
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flatten(prefix: str, section: dict[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            pairs += _flatten(f"{prefix}{key}.", value)
        else:
            pairs.append((prefix + key, value if isinstance(value, str) else json.dumps(value)))
    return pairs
