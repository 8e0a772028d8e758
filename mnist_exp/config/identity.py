"""What makes two runs runs of the same experiment: every key of the config but some.

Left out is what cannot change the result, and each later key at the value of runs from before it.
"""

import json
from collections.abc import Mapping
from typing import Any

# Section -> True for all of it, or the keys that may differ without a change of the result.
NOT_THE_RESULT: dict[str, bool | set[str]] = {
    "description": True,
    "tracking": True,
    "sweep": True,
    "search": True,
    "data": {"root", "mirrors", "attempts", "timeout_seconds"},
    "training": {"threads", "keep_checkpoints"},
}
# What the first records lack: section -> its keys, or all of it, as runs were without them.
LATER: dict[str, Any] = {
    "data": {"split_seed": None},
    "ensemble": {"members": 1},
    "sweep": {"name": None, "job": None, "on_failure": "continue", "retries": 0, "rerun": "none"},
    "search": None,
    "training": {"plain_fraction": 0.0},
}
# The same of one component: section and name -> keys.
LATER_OF: dict[tuple[str, str], dict[str, Any]] = {
    ("model", "cnn"): {"pool_sizes": None},
}


def completed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested values of a config with the keys that an older record lacks."""
    values = {**LATER, **record}
    for section, content in values.items():
        if isinstance(content, Mapping):
            values[section] = {**_later(section, content.get("name")), **content}
    return values


def completed_params(params: Mapping[str, str]) -> dict[str, str]:
    """Returns dotted keys and values as text with the keys that an older run lacks."""
    later = dict(_LATER_PARAMS)
    for (section, name), keys in _LATER_PARAMS_OF.items():
        if params.get(f"{section}.name") == name:
            later.update(keys)
    return {**params, **{key: text for key, text in later.items() if key not in params}}


def essential(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested values of a config as they were before there were later keys.

    A later key that is not at the value of older runs stays.
    """
    values: dict[str, Any] = {}
    for section, content in record.items():
        if isinstance(content, Mapping):
            later = _later(section, content.get("name"))
            kept = {k: v for k, v in content.items() if k not in later or v != later[k]}
            if kept or not content:
                values[section] = kept
        elif section not in LATER or content != LATER[section]:
            values[section] = content
    return values


def _later(section: str, name: Any) -> dict[str, Any]:
    """Returns the later keys of a section, and of the component that it names."""
    of_all = LATER.get(section)
    of_one = LATER_OF.get((section, name), {}) if isinstance(name, str) else {}
    return {**(of_all if isinstance(of_all, dict) else {}), **of_one}


def _texts(section: str, keys: Mapping[str, Any]) -> dict[str, str]:
    """Returns dotted keys and values as params have them."""
    return {
        f"{section}.{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in keys.items()
    }


_LATER_PARAMS = {
    key: text
    for section, keys in LATER.items()
    if isinstance(keys, dict)
    for key, text in _texts(section, keys).items()
}
_LATER_PARAMS_OF = {place: _texts(place[0], keys) for place, keys in LATER_OF.items()}
