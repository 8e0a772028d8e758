"""Functions of Hydra's grammar within overrides: `range(1,5)`, `choice(a,b)`, `sort(...)`."""

import re
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Sweep
from hydra.errors import HydraException

from mnist_exp.core.errors import nearest

_EVALUATED = re.compile(r" while evaluating '(?P<call>.*)': (?P<problem>.*)")
_UNKNOWN = re.compile(r"Unknown function '(?P<name>\w+)'\nAvailable: (?P<known>[\w,]+)")


def mixes(value: Any) -> bool:
    """Tells whether a function that gives several values stands among others, or within one."""
    parts = value
    if isinstance(value, ChoiceSweep):
        parts = value.list
    elif isinstance(value, dict):
        parts = list(value.values())
    if not isinstance(parts, list):
        return False
    return any(isinstance(part, Sweep | Glob) or mixes(part) for part in parts)


def refusal(text: str) -> str:
    """Returns what Hydra's grammar says against an override; "" where it takes it."""
    try:
        OverridesParser.create().parse_overrides([text])
    except (HydraException, ValueError, RecursionError) as error:
        return str(error) or type(error).__name__
    return ""


def wrong_call(text: str) -> str:
    """Returns in a sentence what is wrong with a function in an override; "" where none is."""
    said = refusal(text)
    unknown = _UNKNOWN.search(said)
    if unknown is not None:
        known = unknown["known"].split(",")
        return f"Functions are {', '.join(known)}.{nearest(unknown['name'], known)}"
    found = _EVALUATED.search(said)
    return "" if found is None else f"{found['call']}: {found['problem']}."
