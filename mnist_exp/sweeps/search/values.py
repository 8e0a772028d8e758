"""Overrides with several values, one by one: which values, and why some cannot be swept.

What a search makes of them, or a grid, is the business of `space`.
"""

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Transformer,
)

from mnist_exp.config.problems import Problem
from mnist_exp.core.errors import nearest

CONTROLS = ("hydra", "sweep", "search", "tracking")  # they steer a sweep, and are no part of a job
# Jobs that differ in nothing else are one experiment, which runs once.
_NO_PART = (
    "description",
    "training.device",
    "training.threads",
    "training.keep_checkpoints",
)
LOG = "log"


def texts(override: Override) -> Iterator[str]:
    """Yields the values of a choice, range or glob as Hydra reads them, each once.

    Their order is that of the command line; `shuffle` has no meaning.
    """
    sweep = override.value()
    if isinstance(sweep, RangeSweep):
        values = [_cast(sweep, number) for number in sweep.range()]
    elif isinstance(sweep, ChoiceSweep):
        values = sweep.list
    else:
        values = list(override.sweep_iterator())  # a glob asks the config loader
    yield from dict.fromkeys(map(Transformer.str, values))


def ends(sweep: RangeSweep) -> list[Decimal]:
    """Returns the lowest and the highest number of a range, both in it."""
    start, step = Decimal(str(sweep.start)), Decimal(str(sweep.step))
    return sorted([start, start + (_count(sweep) - 1) * step])


def is_whole(sweep: IntervalSweep | RangeSweep) -> bool:
    """Tells whether every number is a whole one: `int(interval(1,5))`, `range(5)`."""
    if isinstance(sweep, IntervalSweep):
        return isinstance(sweep.start, int) and isinstance(sweep.end, int)
    numbers = (sweep.start, sweep.stop, sweep.step)
    return all(isinstance(_cast(sweep, number), int) for number in numbers)


def problem(override: Override, expected: str, remedy: str = "") -> Problem:
    """Returns what is wrong with the values of an override."""
    return Problem(override.get_key_element(), expected, override.get_value_string(), remedy)


def unusable(override: Override) -> Problem | None:
    """Returns the problem of values that no sweep can take: none, no numbers, of a wrong key."""
    sweep = override.value()
    section = re.split(r"[./]", override.key_or_group)[0]
    if override.is_delete():
        return problem(override, "a deletion of one value", "Write one ~key for each.")
    if section in CONTROLS:
        return problem(override, f"one value, since {section} steers the whole sweep")
    if override.key_or_group in _NO_PART:
        return problem(
            override,
            "one value, since it is no part of what a job is",
            "Give each a sweep.name of its own.",
        )
    if isinstance(sweep, IntervalSweep):
        return _unusable_interval(override, sweep)
    if isinstance(sweep, RangeSweep):
        return _unusable_range(override, sweep)
    return _unusable_choice(override, sweep)


def unknown_option(override: Override) -> Problem | None:
    """Returns the problem of a config group without an option that is named."""
    loader, group = override.config_loader, override.key_or_group
    if not loader.repository.group_exists(group):
        return None
    options = loader.get_group_options(group)
    expected = f"some of {', '.join(options)}"
    if override.is_interval_sweep():
        return problem(override, expected)
    unknown = [name for name in texts(override) if name not in options]
    if not unknown:
        return None
    return Problem(group, expected, ", ".join(unknown), nearest(unknown[0], options).strip())


def _unusable_choice(override: Override, sweep: Any) -> Problem | None:
    if not any(True for _ in texts(override)):
        options = override.config_loader.get_group_options(override.key_or_group)
        remedy = f"The options are {', '.join(options)}." if options else "Write values: a,b,c."
        return problem(override, "one value or more", remedy)
    if isinstance(sweep, ChoiceSweep) and not _finite(sweep.list):
        return problem(override, "finite numbers")
    return None


def _unusable_interval(override: Override, sweep: IntervalSweep) -> Problem | None:
    low, high = sweep.start, sweep.end
    if not _finite([low, high]):
        return problem(override, "an interval with finite ends")
    if low >= high:
        remedy = f"Write interval({high:g},{low:g})." if low > high else ""
        return problem(override, "an interval whose first end is below its second", remedy)
    if LOG in sweep.tags and low <= 0:
        return problem(override, "a log interval above 0", "0 has no logarithm: start above it.")
    return _unknown_tag(override, sweep)


def _unusable_range(override: Override, sweep: RangeSweep) -> Problem | None:
    if not _finite([sweep.start, sweep.stop, sweep.step]):
        return problem(override, "a range of finite numbers")
    if sweep.step == 0 or _count(sweep) < 1:
        remedy = "It goes from start to stop, which is left out, in steps other than 0."
        return problem(override, "a range with one value or more", remedy)
    by_ones = is_whole(sweep) and abs(sweep.step) == 1
    if LOG in sweep.tags and not (by_ones and ends(sweep)[0] > 0):
        remedy = "Write tag(log,interval(a,b)), or the values: a,b,c."
        return problem(override, "a log range of whole numbers above 0, in steps of 1", remedy)
    return _unknown_tag(override, sweep)


def _unknown_tag(override: Override, sweep: IntervalSweep | RangeSweep) -> Problem | None:
    unknown = sorted(sweep.tags - {LOG})
    if not unknown:
        return None
    return problem(override, f"the tag {LOG} or none", nearest(unknown[0], [LOG]).strip())


def _cast(sweep: RangeSweep, number: Any) -> Any:
    """Casts a number of `float(range(1,5))`: Hydra 1.4 keeps whole numbers and the cast beside."""
    for cast in getattr(sweep, "transformers", ()):
        number = cast(number)
    return number


def _count(sweep: RangeSweep) -> int:
    """Returns how many numbers a range has, in the decimals that were typed."""
    start, stop, step = (Decimal(str(end)) for end in (sweep.start, sweep.stop, sweep.step))
    return math.ceil((stop - start) / step)


def _finite(value: Any) -> bool:
    """Tells whether no number in it, however deep, is NaN or infinite."""
    if isinstance(value, dict):
        return _finite(list(value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
