"""Small words that tables share: shortened keys and numbers, text that is safe to print."""

import re
from collections.abc import Sequence

_DIGITS = 4  # of a number that a search proposed; CSV and commands have them all
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Returns text without what a terminal would obey: others may have written it."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Returns key -> its last part, or all of it where another key ends in the same."""
    lasts = [re.split(r"[./]", key)[-1] for key in keys]
    return {
        key: last if lasts.count(last) == 1 else key for key, last in zip(keys, lasts, strict=True)
    }


def shortened(value: str) -> str:
    """Returns a number to four digits, any other value as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    # Integers say epochs or sizes, and are exact.
    return value if number.is_integer() and "." not in value else f"{number:.{_DIGITS}g}"


def percent(share: float) -> str:
    """Returns a share, 0-1, in percent with two decimals."""
    return f"{100 * share:.2f}"
