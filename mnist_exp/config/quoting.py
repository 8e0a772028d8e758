"""Overrides whose values Hydra's grammar takes in quotes only."""

import re

from mnist_exp.config.functions import refusal

# An interpolation with another at its end, alone: with more around it, the quotes would be wrong.
_NESTED = re.compile(r"""[^=]+=\$\{[^'"{},]*\$\{[^'"{},]*\}\}""")


def in_quotes(text: str) -> str:
    """Returns an override whose value is text in quotes, as Hydra's grammar has them."""
    key, _, value = text.partition("=")
    mark = "'" if '"' in value and "'" not in value else '"'
    return f"{key}={mark}{value.replace(mark, chr(92) + mark)}{mark}"


def readable(text: str) -> str:
    """Returns an override in quotes where Hydra's grammar takes it only so."""
    return in_quotes(text) if refusal(text) else text


def nested_in_quotes(text: str) -> str:
    """Returns an override with quotes where it has an interpolation within another."""
    return in_quotes(text) if _NESTED.fullmatch(text) else text
