"""Types, limits, values and misspelt keys in words."""

import json
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from mnist_exp.config.fields import A_DEVICE, A_NAME
from mnist_exp.core.errors import nearest

SCALARS = {int: "whole number", float: "number", bool: "true or false", str: "text"}
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
# Forms of text, in words.
_FORMS = {
    A_NAME: "of letters, digits, '.', '_' and '-' (at most 100, the first a letter or a digit)",
    A_DEVICE: "that is auto, cpu, or gpu:N, N counting GPUs from 0",
}
LONGEST_RECEIPT = 120  # characters


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
    if origin is tuple:
        some = "one or more " if _has(metadata, "min_length") else ""
        return f"{'lists' if many else 'a list'} of {some}{describe(arguments[0], many=True)}"
    if annotation is str and _has(metadata, "min_length"):
        return "text that is not empty"
    return " ".join([_scalar(annotation, many=many), _limits(metadata)]).strip()


def show(value: Any) -> str:
    """Returns a received value as JSON, cut where it is long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= LONGEST_RECEIPT else f"{text[:LONGEST_RECEIPT]} ..."


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the dotted key most like `key`, or "".

    A key whose last part is the same counts as nearest, so `epochs` finds `training.epochs`.
    """
    known = list(known)
    section, _, last = key.rpartition(".")
    short = [k for k in known if k.rpartition(".")[0] == section and _initials(k) == last]
    if len(short) == 1:  # lr
        return f" Did you mean {short[0]!r}?"
    same_end = [other for other in known if other.rpartition(".")[2] == last]
    if len(same_end) == 1:
        return f" Did you mean {same_end[0]!r}?"
    return nearest(key, same_end or known)


def _initials(key: str) -> str:
    return "".join(word[:1] for word in key.rpartition(".")[2].split("_"))


def _scalar(annotation: Any, *, many: bool) -> str:
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


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _limits_in(item: Any) -> list[Any]:
    return item.metadata if isinstance(item, FieldInfo) else [item]


def _has(metadata: list[Any], limit: str) -> bool:
    return any(hasattr(item, limit) for item in metadata)
