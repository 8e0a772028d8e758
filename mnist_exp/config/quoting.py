"""Overrides whose values Hydra's grammar takes in quotes only."""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

# An interpolation with another at its end, alone: with more around it, the quotes would be wrong.
_NESTED = re.compile(r"""[^=]+=\$\{[^'"{},]*\$\{[^'"{},]*\}\}""")


def in_quotes(text: str) -> str:
    """Returns an override whose value is text in quotes, as Hydra's grammar has them."""
    key, _, value = text.partition("=")
    mark = "'" if '"' in value and "'" not in value else '"'
    return f"{key}={mark}{value.replace(mark, chr(92) + mark)}{mark}"


def readable(text: str) -> str:
    """Returns an override in quotes where Hydra's grammar takes it only so."""
    try:
        OverridesParser.create().parse_overrides([text])
    except (HydraException, ValueError, RecursionError):
        return in_quotes(text)
    return text


def nested_in_quotes(text: str) -> str:
    """Returns an override with quotes where it has an interpolation within another."""
    return in_quotes(text) if _NESTED.fullmatch(text) else text
