"""What was meant by words that are no override: spaces too many, quotes too few, an option alone.

A shell cuts a command line at spaces, so what a person typed is looked for across words.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mnist_exp.config.keys import schema_keys, takes
from mnist_exp.config.problems import Problem
from mnist_exp.config.quoting import in_quotes
from mnist_exp.config.wording import nearest_key

Reads = Callable[[str], object]  # whether Hydra's grammar takes a text as an override
Options = Mapping[str, Sequence[str]]  # of each config group

_SEPARATORS = re.compile(r"[ ,;&]+")
_ASSIGNMENT = re.compile(r"[+~]*([\w./@-]+)=")
_NUMBERS = re.compile(r"[\d.,+e\[\]-]+")
_YAML = (".yaml", ".yml")
_COMPONENTS, _CONF = "components.py", "conf"  # a user's own, as the documentation calls them


class Slips(NamedTuple):
    """What is wrong across words, and the words that it does not concern."""

    problems: list[Problem]
    rest: list[str]


def across(words: Sequence[str], reads: Reads, options: Options) -> Slips:
    """Finds overrides that spaces have cut.

    Args:
        words: of the command line, without flags.
        reads: what Hydra's grammar takes.
        options: of each config group.
    """
    problems: list[Problem] = []
    rest: list[str] = []
    left = list(words)
    while left:
        ends = (n for n, word in enumerate(left) if n and (reads(word) or _ASSIGNMENT.match(word)))
        longest = next(ends, len(left))
        for length in range(longest, 1, -1):
            parts = left[:length]
            meant = next(filter(reads, _meant(parts, options)), None)
            if meant is not None:
                typed = repr(" ".join(parts))
                remedy = f"Write {shlex.quote(meant)}."
                received = f"{length} arguments"
                problems.append(Problem(typed, "an override in one argument", received, remedy))
                del left[:length]
                break
        else:
            rest.append(left.pop(0))
    return Slips(problems, rest)


def remedy(word: str, reads: Reads, options: Options) -> str:
    """Returns what to do about a word that is no override, nor one with its value in quotes.

    Args:
        word: of the command line.
        reads: what Hydra's grammar takes.
        options: of each config group.
    """
    groups = [group for group, names in options.items() if word in names]
    if groups:
        return f"{word} is an option of {groups[0]}: write {groups[0]}={word}."
    if word.endswith(_YAML):
        return _of_file(word, options)
    if not re.search(r"\w", word):
        return "Overrides have spaces between them, and nothing else."
    pieces = [re.split(r"[:/= ]+", word, maxsplit=1), word.split()]
    meant = [text for parts in pieces for text in _meant(parts, options) if len(parts) > 1]
    found = next(filter(reads, meant), None)
    if found is not None:
        return f"Write {shlex.quote(found)}."
    key, _, value = word.lstrip("+~-").partition("=")
    name = re.sub(r"\W+", ".", key).strip(".")
    if name in _keys(options):
        value = value or ("OPTION" if name in options else "VALUE")
        return f"Write {shlex.quote(f'{name}={value}')}."
    return nearest_key(name, _keys(options)).strip()


def _of_file(word: str, options: Options) -> str:
    group = Path(word).parent.name
    where = misplaced(group, word, ()) if group in {*options, "experiment"} else ""
    return where or "A file is named by --config-name, its folder by --config-dir."


def several(text: str, options: Options) -> list[str]:
    """Returns the overrides, of keys that there are, that one word holds; none where it is one."""
    known = _keys(options)
    pieces = _SEPARATORS.split(text.strip())
    found = [_ASSIGNMENT.match(piece) for piece in pieces]
    return pieces if len(found) > 1 and all(match and match[1] in known for match in found) else []


def misplaced(group: str, name: str, folders: Sequence[Path]) -> str:
    """Returns what to do where an option of the user's own lies where it is not read.

    Args:
        group: of configs.
        name: of the option, or a path.
        folders: that were given.
    """
    option = Path(name.removesuffix(".yaml"))
    near = [*folders, *(folder.parent for folder in folders), Path(), option.parent.parent]
    near += [below for folder in (*folders, Path()) for below in folder.glob("*/")]
    for folder in dict.fromkeys(near):
        for suffix in _YAML:
            file = folder / group / f"{option.name}{suffix}"
            if not _is_file(file):
                continue
            if suffix == ".yml":
                return f"Rename {file}: Hydra reads files that end in .yaml."
            components = folder.parent / _COMPONENTS
            has_own = folder.name == _CONF and components.is_file()
            flag = f"--components={components}" if has_own else f"--config-dir={folder}"
            words = shlex.join([flag, f"{group}={option.name}"])
            return f"It is {file}: write {words}."
    for folder in folders:
        file = folder / f"{option.name}.yaml"
        if _is_file(file):
            return f"Move {file} into the folder {group} there."
    return ""


def _is_file(path: Path) -> bool:
    """Tells whether a file is there; none is whose name is too long for one."""
    with suppress(OSError):
        return path.is_file()
    return False


def _meant(parts: Sequence[str], options: Options) -> Iterator[str]:
    """Yields what the parts of one override may have been, whether it can be read or not."""
    first, *others = parts
    known = _keys(options)
    if others and others[0].startswith("="):
        first, others = f"{first}{others[0]}", others[1:]
    elif "=" not in first:  # model mlp
        first = f"{first.rstrip(':')}="
        if first[:-1] not in known or len(others) != 1 or not re.search(r"\w", others[0]):
            return
    key, _, value = first.partition("=")
    text = " ".join([value, *others])
    if any(word in known for word in others):
        return
    if takes(key.lstrip("+"), text) and "=" not in text and others:
        yield in_quotes(f"{key}={text.strip()}")
    elif all(
        a.endswith(("=", ",", "[", "(")) or b.startswith((",", "]", ")"))
        for a, b in pairwise([first, *others])
    ):
        yield "".join([first, *others])
    elif (
        "[" in value
        or all(map(_NUMBERS.fullmatch, others))
        or all(word in options.get(key, ()) for word in others)
    ):
        yield ",".join([first, *others])


def _keys(options: Options) -> set[str]:
    """Returns the keys that have a value, and the groups."""
    keys = schema_keys()
    sections = {key.partition(".")[0] for key in keys if "." in key}
    return {*options, *keys} - (sections - options.keys())
