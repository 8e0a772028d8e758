"""Types, limits, values and misspelt keys in words."""

import json
import types
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from mnist_exp.config.fields import A_DATABASE, A_DEVICE, A_NAME
from mnist_exp.core.errors import closest, nearest

SCALARS = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "text",
    dict: "keys and values",
}
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
# Forms of text, in words.
_FORMS = {
    A_NAME: "of letters, digits, '.', '_' and '-' (at most 100, the first a letter or a digit)",
    A_DATABASE: "that is the URL of a database, such as sqlite:///optuna.db",
    A_DEVICE: "that is auto, cpu, or gpu:N, N counting GPUs from 0",
}
LONGEST_RECEIPT = 120  # characters
SHORTEST = 3  # letters that tell which name they begin


def describe(annotation: Any, metadata: Iterable[Any] = (), *, many: bool = False) -> str:
    """Puts a type and its limits in words.

    Args:
        annotation: the type of a field.
        metadata: what stands beside it in `Annotated`.
        many: whether the words are for several values.

    Returns:
        Words such as "a number >= 0 and < 1" or "a list of one or more whole numbers >= 1".
    """
    metadata = list(metadata)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        nested = [m for item in arguments[1:] for m in _limits_in(item)]
        return describe(arguments[0], [*nested, *metadata], many=many)
    if origin in (Union, types.UnionType):
        parts = [describe(part, metadata) for part in arguments if part is not types.NoneType]
        parts += ["null"] if types.NoneType in arguments else []
        return " or ".join(dict.fromkeys(parts))
    if origin is Literal:
        names = [str(name) for name in arguments]
        return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if origin in (tuple, list):
        is_fixed = origin is tuple and Ellipsis not in arguments
        some = f"{len(arguments)} " if is_fixed else _how_many(metadata)
        values = describe(arguments[0], many=True)
        if is_fixed and len(set(arguments)) > 1:
            values = f"values: {', '.join(map(describe, arguments))}"
        return f"{'lists' if many else 'a list'} of {some}{values}"
    if annotation is str and _has(metadata, "min_length"):
        return "text that is not empty"
    return " ".join([_scalar(origin or annotation, many=many), _limits(metadata)]).strip()


def show(value: Any) -> str:
    """Returns a received value as JSON, cut where it is long."""
    text = json.dumps(value, default=repr, ensure_ascii=False)
    return text if len(text) <= LONGEST_RECEIPT else f"{text[:LONGEST_RECEIPT]} ..."


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the dotted key most like `key`, or "".

    The one key whose last part is the same, has these initials, or begins so, counts as nearest, so
    `epochs` and `epoch` find `training.epochs`, and `lr` finds `optimizer.learning_rate`.
    """
    ends = {other: other.rpartition(".")[2] for other in known}
    section, dot, last = key.replace("-", "_").replace("/", ".").casefold().rpartition(".")
    here = [other for other in ends if other.rpartition(".")[0] == section]
    for others, tests in ((here, _ALIKE), (ends, _ALIKE[:-1] if here and dot else _ALIKE)):
        for is_alike in tests:
            found = [other for other in others if is_alike(last, ends[other])]
            if len(found) == 1:
                return f" Did you mean {found[0]!r}?"
    end = closest(last, [ends[other] for other in here])
    if end is not None:
        return f" Did you mean {section + dot + end!r}?"
    return nearest(key, ends) if dot and not here else ""


def _are_initials(letters: str, name: str) -> bool:
    return letters == "".join(word[:1] for word in name.split("_"))


def _begins(short: str, name: str) -> bool:
    beginning = short.replace("_", "")
    return len(beginning) >= SHORTEST and name.replace("_", "").startswith(beginning)


_ALIKE: tuple[Callable[[str, str], bool], ...] = (str.__eq__, _are_initials, _begins)


def _scalar(annotation: Any, *, many: bool) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(str(member.value) for member in annotation)}"
    name = SCALARS.get(annotation, "a section of keys")
    if annotation in (int, float):
        return f"{name}s" if many else f"a {name}"
    return name


def _limits(metadata: list[Any]) -> str:
    form = next((item.pattern for item in metadata if hasattr(item, "pattern")), None)
    if form is not None:
        return _FORMS.get(form, f"of the form {form}")
    texts = [
        f"{sign} {_number(getattr(item, limit))}"
        for item in metadata
        for limit, sign in LIMITS.items()
        if hasattr(item, limit)
    ]
    return " and ".join(texts)


def _how_many(metadata: list[Any]) -> str:
    least, most = (
        next((getattr(item, limit) for item in metadata if hasattr(item, limit)), None)
        for limit in ("min_length", "max_length")
    )
    if most is None:
        return "one or more " if least else ""
    if least == most:
        return f"{most} "
    return f"{least} to {most} " if least else f"at most {most} "


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _limits_in(item: Any) -> list[Any]:
    return item.metadata if isinstance(item, FieldInfo) else [item]


def _has(metadata: list[Any], limit: str) -> bool:
    return any(hasattr(item, limit) for item in metadata)
