"""Whether a record can be one of mnist-exp's: whoever can write to a store can write anything.

A command passes over a record that it cannot read, says so in a line, and goes on with the others.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from mnist_exp.core import ids
from mnist_exp.evaluation.names import (
    CHOSEN_VAL_ACCURACY,
    FIT_SECONDS,
    PARAMETERS,
    TEST_ACCURACY,
    TOTAL_SECONDS,
    VAL_ACCURACY,
)
from mnist_exp.tracking.names import (
    COMMANDS_TAG,
    JOB_ID_TAG,
    KEY_TAG,
    OVERRIDES_TAG,
    SPACE_TAG,
    TRIAL_TAG,
    VALIDATION_IMAGES,
)
from mnist_exp.tracking.records import RunRecord

_WHOLE = re.compile(r"[0-9]{1,18}")
_WHOLE_PARAMS = ("seed", VALIDATION_IMAGES, "training.threads", "training.epochs", "sweep.job")
_OF_A_JOB = ("seed", VALIDATION_IMAGES, "sweep.job")  # without which it is none
_OF_A_SWEEP = {KEY_TAG, SPACE_TAG}  # of which a sweep looks for the job folder
_SHARES = (VAL_ACCURACY, CHOSEN_VAL_ACCURACY, TEST_ACCURACY)
_SIZES = (PARAMETERS, FIT_SECONDS, TOTAL_SECONDS)
_LARGEST_SIZE = 1e15
_SHOWN_CHARACTERS = 20


def trouble(run: RunRecord) -> str:
    """Returns what in a record cannot be read, in a few words; "" where all can."""
    if run.tags.keys() & _OF_A_SWEEP and not ids.is_id(run.job_id or ""):  # it becomes a path
        return _told(f"tag {JOB_ID_TAG}", run.job_id or "nothing")
    needed = _OF_A_JOB if KEY_TAG in run.tags else ()
    for name in _WHOLE_PARAMS:
        text = run.params.get(name, "nothing" if name in needed else "null")
        if not (_WHOLE.fullmatch(text) or (text == "null" and name not in needed)):
            return _told(f"param {name}", text)
    for name, limit in (dict.fromkeys(_SHARES, 1.0) | dict.fromkeys(_SIZES, _LARGEST_SIZE)).items():
        value = run.metrics.get(name, 0.0)
        if math.isfinite(value) and not 0 <= value <= limit:
            return _told(f"metric {name}", f"{value:g}")
    for name, fits in _TAGS.items():
        if name in run.tags and not fits(_parsed(run.tags[name])):
            return _told(f"tag {name}", run.tags[name])
    return ""


def _told(name: str, text: str) -> str:
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return f"its {name} cannot be read: {short}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ValueError


def _is_trial(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("number"), int)
        and isinstance(value.get("params"), dict)
    )


def _is_space(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and isinstance(value.get("search"), dict)
        and isinstance(value.get("dimensions"), dict)
        and all(map(_is_dimension, value["dimensions"].values()))
        and _are_texts(value.get("seeds"))
        and _are_texts(value.get("fixed"))
    )


def _is_dimension(value: Any) -> bool:
    """Whether this is one of Optuna's distributions, of texts or of numbers."""
    about = value.get("attributes") if isinstance(value, dict) else None
    if not (isinstance(about, dict) and isinstance(value.get("name"), str)):
        return False
    if "choices" in about:
        return _are_texts(about["choices"])
    step = about.get("step")
    numbers = (about.get("low"), about.get("high"), 0 if step is None else step)
    return {"step", "log"} <= about.keys() and all(map(_is_bearable, numbers))


def _is_bearable(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _LARGEST_SIZE


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


_TAGS: dict[str, Callable[[Any], bool]] = {
    TRIAL_TAG: _is_trial,
    OVERRIDES_TAG: _are_texts,
    SPACE_TAG: _is_space,
    COMMANDS_TAG: lambda value: isinstance(value, int) and 0 < value < _LARGEST_SIZE,
}
