"""How text reaches a terminal: names and messages that others wrote can neither command nor forge.

Anybody who can write to the store names runs. So the errors of this project escape what they say,
a line is printed by `say`, and a table or a live line by a `console`.
"""

import os
import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_COLUMNS = 200
# Controls, what turns the direction of text or is not seen, half characters, ends of lines.
_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # as in emoji and Persian


def printable(text: str) -> str:
    r"""Returns text on one line, with what a terminal would obey or hide escaped.

    Example:
        >>> printable("cnn\x1b[2J\nfinished")
        'cnn\\x1b[2J\\nfinished'
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def say(line: str, *, error: bool = False) -> None:
    """Prints a line, and no more than a line, to stdout or to stderr."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{printable(line)}\n")
    stream.flush()


def console(*, highlight: bool = False, **options: Any) -> "Console":
    """Returns where tables and live lines are printed; a string is one line there, without markup.

    Args:
        highlight: whether numbers and paths have colours.
        **options: those of `rich.console.Console`; stdout by default.
    """
    return _kind()(highlight=highlight, markup=False, emoji=False, **options)


def table_console(piped_columns: int = PIPED_COLUMNS, *, highlight: bool = False) -> "Console":
    """Returns stdout, as wide as the terminal or `COLUMNS`, or wide where it is a file or a pipe.

    Args:
        piped_columns: how wide then.
        highlight: whether numbers and paths have colours.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else piped_columns
    return console(width=width, highlight=highlight)


@cache
def _kind() -> type["Console"]:
    """Returns the class of consoles; rich is imported when something is printed."""
    from rich.console import Console

    class Escaping(Console):
        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(printable(text), **options)

    return Escaping


def _shown(character: str) -> str:
    if unicodedata.category(character) in _ESCAPED and character not in _JOINERS:
        return character.encode("unicode_escape").decode()
    return character
