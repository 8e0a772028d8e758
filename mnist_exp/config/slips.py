"""What was meant by words that are no override: spaces too many, quotes too few, an option alone.

A shell cuts a command line at spaces, so what a person typed is looked for across words.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mnist_exp.config.validate import Problem

_SEVERAL = re.compile(r"[+~]*[\w./@]+=\S* +[+~]*[\w./@]+=")
_YAML = (".yaml", ".yml")


class Slips(NamedTuple):
    """What is wrong across words, and the words that it does not concern."""

    problems: list[Problem]
    rest: list[str]


def across(words: Sequence[str]) -> Slips:
    """Finds overrides that spaces have cut.

    Args:
        words: of the command line, without flags.
    """
    problems: list[Problem] = []
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        parts = [word]
        if "=" not in word and left and left[0].startswith("="):  # model = mlp
            parts.append(left.pop(0))
            if parts[-1] == "=" and left:
                parts.append(left.pop(0))
        while parts[-1].endswith(",") and left and "=" not in left[0]:  # seed=0, 1
            parts.append(left.pop(0))
        if len(parts) == 1:
            rest.append(word)
            continue
        typed, meant = " ".join(parts), "".join(parts)
        problems.append(
            Problem(repr(typed), "an override without spaces", "a space", f"Write {meant}.")
        )
    return Slips(problems, rest)


def remedy(word: str, options: Mapping[str, Sequence[str]]) -> str:
    """Returns what to do about a word that Hydra's grammar does not take.

    Args:
        word: of the command line.
        options: of each config group.
    """
    key, sign, value = word.partition("=")
    if not sign:
        groups = [group for group, names in options.items() if word in names]
        if groups:
            return f"{word} is an option of {groups[0]}: write {groups[0]}={word}."
        if word.endswith(_YAML):
            return "A file is named by --config-name, its folder by --config-dir."
        return f"Write {word}=VALUE, or group=OPTION."
    if _SEVERAL.match(word):
        return "Two overrides are two arguments: put quotes around each alone, or around none."
    quoted = f'{key}="{value}"'
    example = "key=\"'a: b'\"" if '"' in value else shlex.quote(quoted)
    return f"Put quotes around a value with special characters: {example}."
