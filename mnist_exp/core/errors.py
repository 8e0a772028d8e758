"""How a command can fail or be stopped, and the hint that goes with a misspelt name.

The command line turns them into exit codes; nothing else in the project chooses one.
"""

import difflib
import re
from collections.abc import Iterable

from mnist_exp.core.terminal import printable

_REASON_CHARACTERS = 500
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Keras has them


class _LinesError(Exception):
    """Each argument is a line: names in it, which others may have chosen, cannot make another."""

    def __str__(self) -> str:
        return "\n".join(map(printable, self.args))


class RequestError(_LinesError):
    """The request was wrong: nothing was run. Exit code 2."""


class ExperimentError(_LinesError):
    """The request was fine, but the work failed. Exit code 1."""


class Terminated(BaseException):
    """The process was asked to end, by SIGTERM. Like Ctrl-C, it is no failure. Exit code 143."""


class HungUp(Terminated):
    """The terminal of the process was closed, which is SIGHUP. Exit code 129."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the choice most like `name`, or "" if none is close.

    Example:
        >>> nearest("adm", ["adam", "sgd"])
        " Did you mean 'adam'?"
    """
    best = closest(name, choices)
    return "" if best is None else f" Did you mean {best!r}?"


def closest(name: str, choices: Iterable[str]) -> str | None:
    """Returns the choice most like `name`, of upper or lower case; None if none is close."""
    written = {choice.casefold(): choice for choice in choices}
    wanted = name.casefold()
    matches = difflib.get_close_matches(wanted, written)
    swapped = (match for match in matches if sorted(match) == sorted(wanted))  # two letters, say
    best = next(swapped, matches[0] if matches else None)
    return None if best is None else written[best]


def reason_of(problem: BaseException) -> str:
    """Returns what an error says, in one line of a bearable length.

    Example:
        >>> reason_of(FileNotFoundError(2, "No such file or directory", "a.py"))
        "No such file or directory: 'a.py'"
    """
    if isinstance(problem, OSError) and problem.strerror:  # of the system: its words will do
        name = "" if problem.filename is None else f": {problem.filename!r}"
        return f"{problem.strerror}{name}"[:_REASON_CHARACTERS]
    text = " ".join(_COLOURS.sub("", str(problem)).split())
    if not text or type(problem).__module__ == "builtins":
        text = f"{type(problem).__name__}: {text}".rstrip(": ")
    return text[:_REASON_CHARACTERS]
