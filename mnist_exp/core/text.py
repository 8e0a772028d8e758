"""Small words that tables share: shortened keys and numbers, Markdown, no passwords."""

import math
import re
from collections.abc import Sequence

from mnist_exp.core.terminal import printable

_FEW = 3  # examples, of which more would tell no more
_DIGITS = 4  # of a number that a search proposed; CSV and commands have them all
_LEAST_P, _SMALL_P, _LEVEL = 0.0001, 0.01, "0.05"
_FORMULA = ("=", "+", "-", "@")
_MARKUP = re.compile(r"[\\`*<>\[\]|~#&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_PASSWORD = re.compile(r"""(://[^/@:\s]*):[^/\s"']*@""")  # a password may hold @


def without_password(text: str) -> str:
    """Returns text whose addresses, such as `https://name:password@host`, have no password."""
    return _PASSWORD.sub(r"\1:***@", text)


def password_removed(address: str) -> str:
    """Returns an address that can be used where the password comes from elsewhere."""
    return _PASSWORD.sub(r"\1@", address)


def in_markdown(text: str) -> str:
    """Returns text that Markdown shows as it is, on one line."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", printable(" ".join(text.split())))


def in_csv(value: object) -> object:
    """Returns a value that no spreadsheet takes for a formula, on one line; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Returns key -> its last part, or all of it where another key ends in the same."""
    lasts = [re.split(r"[./]", key)[-1] for key in keys]
    return {
        key: last if lasts.count(last) == 1 else key for key, last in zip(keys, lasts, strict=True)
    }


def shortened(value: str) -> str:
    """Returns a number to four digits, any other value as it is."""
    if not _is_number(value):
        return value
    number = float(value)
    # Integers say epochs or sizes, and are exact; a digest may be of digits with an e among them.
    is_exact = number.is_integer() and "." not in value
    return value if is_exact or not math.isfinite(number) else f"{number:.{_DIGITS}g}"


def counted(number: int, noun: str) -> str:
    """Returns how many there are of something, such as "1 run" or "2 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def few(texts: Sequence[str], separator: str = ", ") -> str:
    """Returns the first three, and how many more there are."""
    more = f" and {len(texts) - _FEW} more" if len(texts) > _FEW else ""
    return f"{separator.join(texts[:_FEW])}{more}"


def picked(candidates: int, equals: int, named: str) -> str:
    """Returns how the best of so many on validation is to be read; empty of a single one.

    Args:
        candidates: that were measured.
        equals: how many of them are the best.
        named: which of these stands first, in words after "the one".
    """
    if candidates <= 1:
        return ""
    tie = f" {equals:,} are equally good, of which the one {named} stands first." * (equals > 1)
    return (
        f"{tie} The first was picked as the best of {candidates:,} on validation, which flatters "
        "it there; its test accuracy is the honest figure."
    )


def percent(share: float) -> str:
    """Returns a share, 0-1, in percent with two decimals."""
    return f"{100 * share:.2f}"


def p_value(p: float) -> str:
    """Returns p as tables of papers print it, such as `0.03` or `<0.0001`."""
    if p < _LEAST_P:
        return f"<{_LEAST_P:.4f}"
    text = f"{p:.2g}" if p < _SMALL_P else f"{p:.2f}"
    if text != _LEVEL:
        return text
    # On which side of it p is decides.
    return next((text for n in range(2, 8) if (text := f"{p:.{n}g}") != _LEVEL), _LEVEL)


def p_in_words(p: float) -> str:
    """Returns p as sentences of papers have it, such as `p = 0.03` or `p < 0.0001`."""
    value = p_value(p)
    return f"p < {value[1:]}" if value.startswith("<") else f"p = {value}"


def finite(value: float) -> float | None:
    """Returns a number as JSON has it: None for what is not finite."""
    return value if math.isfinite(value) else None
