"""The numbers that a sweep varies, as metrics: MLflow sorts and plots params as texts."""

import json
import math
from collections.abc import Iterator

from mnist_exp.evaluation.names import SWEPT
from mnist_exp.runs.command import key_of
from mnist_exp.tracking.journal.events import Start
from mnist_exp.tracking.names import OVERRIDES_TAG

_SEED = "seed"  # it repeats a config, and is no quantity


def swept_numbers(start: Start) -> dict[str, float]:
    """Returns metric -> number, of what sets a job of a sweep apart; nothing for other runs.

    Args:
        start: of the job's record.
    """
    return dict(_numbers(start))


def _numbers(start: Start) -> Iterator[tuple[str, float]]:
    for override in json.loads(start.tags.get(OVERRIDES_TAG, "[]")):
        key = key_of(override)
        try:
            number = float(start.params[key])
        except (KeyError, ValueError):  # a group, or a word
            continue
        if key != _SEED and math.isfinite(number):
            yield SWEPT + key, number
