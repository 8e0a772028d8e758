"""What Hydra, OmegaConf and PyYAML say of configs that they refuse, put on one line."""

import re
from pathlib import Path

from omegaconf.errors import KeyValidationError
from yaml import Mark, MarkedYAMLError

from mnist_exp.config.hydra_internal import being_read

# What follows are OmegaConf's own types, Hydra's folders, and advice that leads to the next error.
_MORE = (" full_key: ", " Config search path:", " To override a value use", " To append to your")
# A part of what PyYAML says -> what was most likely typed.
_SLIPS = {
    "'\\t'": "indent with spaces, not with tabs",
    "cannot start any token": "text that begins with such a sign needs quotes",
    "undefined alias": "text that begins with * needs quotes",
    "mapping values are not allowed": (
        "a value with ': ' in it needs quotes, and a key above it a colon and a space"
    ),
    "block end": "the keys of one section begin in the same column",
}
_NOT_CLOSED = ("quoted scalar", "flow sequence", "flow mapping")
# What it says of the line below a key without a space behind its colon, which goes on as text.
_OF_LINE_ABOVE = ("mapping values are not allowed", "could not find expected ':'")
_NO_SPACE = re.compile(r"\s*[\w.]+:\S")


def words(error: BaseException) -> str:
    """Returns a library's message, and its cause's, on one line."""
    if isinstance(error, UnicodeDecodeError):
        return f"{being_read(error)} is not in UTF-8: save it as UTF-8."
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return _of_yaml(error, error.problem_mark)
    if isinstance(error, RecursionError):
        return "its defaults lead back to itself."
    if isinstance(error, AttributeError):  # of Hydra's, over a section `hydra` that is null
        return "Leave `hydra:` out of that file, or write keys below it."
    for part in (error, error.__cause__):
        if isinstance(part, KeyValidationError):
            return f"{being_read(part)} has a key that is no text: write it in quotes."
    parts = [error] if error.__cause__ is None else [error, error.__cause__]
    text = " ".join(" ".join(str(part).split()) for part in parts).strip()
    for more in _MORE:
        text = text.partition(more)[0]
    return text or type(error).__name__


def _of_yaml(error: MarkedYAMLError, mark: Mark) -> str:
    """Says where a file is no YAML, and what may be wrong there."""
    problem = f"{error.problem}"
    meant = next((meant for slip, meant in _SLIPS.items() if slip in problem), problem)
    if error.context_mark is not None and f"{error.context}".endswith(_NOT_CLOSED):
        mark, meant = error.context_mark, "what is opened there is not closed"
    number = mark.line
    lines = Path(mark.name).read_text(encoding="utf-8").splitlines()
    above = max((n for n in range(number) if lines[n].strip()), default=number)
    if f"{error.problem}".startswith(_OF_LINE_ABOVE) and _NO_SPACE.match(lines[above]):
        number, meant = above, "a space stands behind the colon of a key"
    line = lines[number].strip() if number < len(lines) else "the end"
    return f"{mark.name} is no YAML in line {number + 1}, {line!r}: {meant}."
