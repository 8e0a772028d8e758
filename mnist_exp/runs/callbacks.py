"""Callbacks of the user's own, as a run records them: they may change what it gives.

No record brings one back: what a user hands to `mnist_exp.run`, or writes under `hydra`, is theirs.
"""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mnist_exp.tracking.names import CALLBACKS_TAG

_KERAS = "keras"


def tags(callbacks: Sequence[Any], of_hydra: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tag that names the callbacks of a run; none where there are none.

    Args:
        callbacks: Keras's.
        of_hydra: `hydra.callbacks` of the job's config.
    """
    found = {type(each).__qualname__: _digest(type(each)) for each in callbacks}
    for name, section in of_hydra.items():
        found[f"hydra.callbacks.{name}"] = str((section or {}).get("_target_", "none"))
    return {CALLBACKS_TAG: json.dumps(found)} if found else {}


def _digest(kind: type) -> str:
    """Returns the SHA-256 of the file that defines a class; of one of Keras's, its version."""
    if kind.__module__.partition(".")[0] == _KERAS:
        return f"{_KERAS} {version(_KERAS)}"
    try:
        return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()
    except (OSError, TypeError):  # it was typed at a prompt
        return "unknown"
