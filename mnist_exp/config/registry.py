"""The table of components: group -> name -> function and section.

The section of a component, its keys with their types and limits, is what the signature of its
function says; the defaults stand in YAML.
"""

import hashlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Literal, TypeVar

from pydantic import create_model, model_validator
from pydantic_core import PydanticCustomError

from mnist_exp.config import places
from mnist_exp.config.fields import A_NAME, Component, Division, broken_rule
from mnist_exp.core.errors import RequestError, reason_of

GROUPS: Mapping[str, type[Component]] = MappingProxyType(
    {
        "data": Division,
        "augmentation": Component,
        "model": Component,
        "optimizer": Component,
        "schedule": Component,
        "loss": Component,
    }
)

Function = TypeVar("Function", bound=Callable[..., Any])
Rule = Callable[..., None]  # of the options, as keyword arguments; raises `broken_rule`
Size = Callable[..., int]  # of the options, as keyword arguments


@dataclass(frozen=True)
class Source:
    """Where components of a user's own come from."""

    name: str  # of the file, or of the package with its version
    path: str  # of the file, or of the package's folder
    sha256: str
    text: str | None = None  # of the file; a package must be installed wherever it is needed


@dataclass(frozen=True)
class Registered:
    """One component."""

    function: Callable[..., Any]
    section: type[Component]  # of a config
    source: Source | None  # None: built in
    parameters: Size | None = None  # of a model: how many weights it has at most
    mixes: bool = False  # of an augmentation: whether it makes one image of several


@dataclass(frozen=True)
class Metric:
    """A number that is made of probabilities and labels."""

    function: Callable[..., float]
    source: Source | None  # None: built in


_OURS = __name__.partition(".")[0]
_registered: dict[str, dict[str, Registered]] = {group: {} for group in GROUPS}
_metrics: dict[str, Metric] = {}
# Names of arguments that mean something else: to what calls a component, or to its section.
_TAKEN = {"name", "seed", "options"}
_TAKEN_OF_DATA = set(Division.model_fields)
# Becomes val/NAME and test/NAME, of which every run has some.
_METRIC_NAME = r"(?!(accuracy|loss|errors|accuracy_low|accuracy_high|ece)$)[A-Za-z_]\w{0,49}"
_source: Source | None = None  # of what is being loaded


def of_group(group: str) -> Mapping[str, Registered]:
    """Returns name -> component, of what was loaded so far.

    Args:
        group: one of `GROUPS`.
    """
    return _registered[group]


def metrics() -> Mapping[str, Metric]:
    """Returns name -> metric, of what was loaded so far."""
    return _metrics


@contextmanager
def loading(source: Source) -> Iterator[None]:
    """Notes what is registered in the block as from a source, in place of what was from it before.

    Args:
        source: of a user's own.
    """
    global _source  # noqa: PLW0603 - a decorator is told nothing of it
    tables: list[dict[str, Any]] = [*_registered.values(), _metrics]
    for components in tables:
        for name, component in list(components.items()):
            if component.source is not None and component.source.path == source.path:
                del components[name]
    _source = source
    try:
        yield
    finally:
        _source = None


def registering(
    group: str, name: str, *, rule: Rule | None, **traits: Any
) -> Callable[[Function], Function]:
    """Returns a decorator that registers a function and returns it as it is.

    Args:
        group: one of `GROUPS`.
        name: of the component.
        rule: between its options.
        **traits: of `Registered`.

    Raises:
        RequestError: the name is none or is taken, or the signature says no section.
    """
    _require_name(group, name)

    def register(function: Function) -> Function:
        source = _source or _file_of(function)
        _require_free(f"{group} {name}", _registered[group].get(name), function, source)
        section = _section(group, name, function, rule)
        if source is not None:
            _require_complete(f"{group} {name}", section)
        _registered[group][name] = Registered(function, section, source, **traits)
        return function

    return register


def registering_metric(name: str) -> Callable[[Function], Function]:
    """Returns a decorator that registers a metric and returns its function as it is.

    Args:
        name: of the metric.

    Raises:
        RequestError: the name is taken, or is no name.
    """
    _require_name("metric", name)

    def register(function: Function) -> Function:
        if not re.fullmatch(_METRIC_NAME, name):
            raise RequestError(
                "Expected the name of a metric to be of letters, digits and _, and none that every "
                f"run has. Received: {name!r}."
            )
        source = _source or _file_of(function)
        _require_free(f"metric {name}", _metrics.get(name), function, source)
        _metrics[name] = Metric(function, source)
        return function

    return register


def _require_name(group: str, name: object) -> None:
    """Refuses what cannot stand in a config; a decorator without its brackets gets a function."""
    if not (isinstance(name, str) and re.fullmatch(A_NAME, name)):
        received = "a function" if callable(name) else repr(name)
        raise RequestError(
            f"Expected the name of a component, of letters, digits, '.', '_' and '-'. Received: "
            f'{received}. Write @{group}("NAME").'
        )


def _require_complete(words: str, section: type[Component]) -> None:
    """Refuses types that nothing can check; those of this project are known to be good."""
    try:
        section.model_rebuild(force=True)
    except Exception as problem:
        raise RequestError(
            f"Expected arguments of {words} with types that pydantic checks, such as int, float, "
            f"str, tuples of them, or those of mnist_exp.extend. Received: {reason_of(problem)}."
        ) from problem


def _require_free(
    words: str, taken: Registered | Metric | None, function: Function, source: Source | None
) -> None:
    """Refuses a name that another function has, but lets a module that is imported anew have it."""
    if taken is not None and not _is_anew(taken, function, source):
        by = "a built-in one" if taken.source is None else f"one of {taken.source.name}"
        raise RequestError(
            f"Expected a name of its own for {words}. Received: that of {by}. Choose another name."
        )


def _is_anew(taken: Registered | Metric, function: Function, source: Source | None) -> bool:
    if source is None or taken.source is None or source.path != taken.source.path:
        return False
    before, now = taken.function.__code__, function.__code__
    # Two of one name in a file stand in two lines, or are made of one code by a loop.
    same = before.co_firstlineno == now.co_firstlineno and before is not now
    return source.sha256 != taken.source.sha256 or same


def of_users() -> list[Source]:
    """Returns the sources of what was loaded so far, but for what is built in."""
    tables: list[Mapping[str, Any]] = [*_registered.values(), _metrics]
    every = (entry.source for table in tables for entry in table.values())
    return sorted({source for source in every if source is not None}, key=lambda s: s.path)


def read(file: Path) -> Source:
    """Returns a file as a source.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, ValueError) as problem:
        raise RequestError(
            f"Expected a Python file of components. Received: {file}, which cannot be read "
            f"({reason_of(problem)}). Check the path."
        ) from problem
    return source_of(file, text)


def source_of(file: Path, text: str) -> Source:
    """Returns the text of a file as a source.

    Args:
        file: where it lies, or would lie.
        text: of the file.
    """
    return Source(file.name, str(file.absolute()), hashlib.sha256(text.encode()).hexdigest(), text)


def _file_of(function: Callable[..., Any]) -> Source | None:
    """Returns where a function is from that no file or package of components was loaded for."""
    if (function.__module__ or "").partition(".")[0] == _OURS:
        return None
    file = Path(function.__code__.co_filename)  # of a program that registers its own
    if not file.is_file():
        raise RequestError(
            f"Expected {function.__name__}, a component, in a Python file. Received: one that was "
            "typed at a prompt or in a notebook, which no other process could load. Write it to a "
            "file, such as components.py, and import that."
        )
    source = read(file)
    if file not in places.programs:
        places.programs.append(file)
    return source


def _section(
    group: str, name: str, function: Callable[..., Any], rule: Rule | None
) -> type[Component]:
    """Returns what a config may say of a component.

    Raises:
        RequestError: the function's signature does not say it.
    """
    arguments = inspect.signature(function).parameters.values()
    for argument in arguments:
        wrong = _wrong(group, argument)
        if wrong:
            raise RequestError(
                f"Expected {function.__name__}, the function of {group} {name}, to have "
                f"keyword-only arguments with types and no defaults, which stand in YAML. "
                f"Received: {argument}, {wrong}."
            )
    unread = SimpleNamespace(__annotations__={each.name: each.annotation for each in arguments})
    types = typing.get_type_hints(unread, getattr(function, "__globals__", {}), include_extras=True)
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    fields |= {key: (kind, ...) for key, kind in types.items()}

    def check(section: Component) -> Component:
        if rule is not None:
            _obey(group, rule, section.options())
        return section

    validators: dict[str, Any] = {"check_rule": model_validator(mode="after")(check)}
    return typing.cast(
        "type[Component]",
        create_model(
            f"{group}_{name}",
            __base__=GROUPS[group],
            __doc__=inspect.getdoc(function),
            __validators__=validators,
            **fields,
        ),
    )


def _obey(group: str, rule: Rule, options: Mapping[str, Any]) -> None:
    """Calls a rule; what a user's own raises otherwise is told as what it expects."""
    try:
        rule(**options)
    except PydanticCustomError:
        raise
    except Exception as problem:
        raise broken_rule(group, reason_of(problem), str(dict(options))) from problem


def _wrong(group: str, argument: inspect.Parameter) -> str:
    """Returns what keeps an argument from being a key of a config; nothing if all is well."""
    if argument.kind is not argument.KEYWORD_ONLY:
        if argument.kind is argument.VAR_KEYWORD:
            return "which takes any name; name each"
        return "which may be given without its name; put `*` before the first"
    if argument.annotation is argument.empty:
        return "which has no type"
    if argument.default is not argument.empty:
        return "which has a default"
    taken = _TAKEN | (_TAKEN_OF_DATA if group == "data" else set())
    is_taken = argument.name in taken or argument.name.startswith(("_", "model_"))
    return "whose name is taken" if is_taken else ""
