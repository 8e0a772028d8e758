"""Loads components: those of this package, of installed packages, and of files of the user's.

A config or a record never names code: see `places` for who does.
"""

import functools
import hashlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from mnist_exp.config import places, registry
from mnist_exp.config.registry import Source
from mnist_exp.core.errors import RequestError, reason_of

# Each is imported to check a config: what takes long to import is imported within a function.
_BUILT_IN = (
    "mnist_exp.data.sets",
    "mnist_exp.training.augmentations",
    "mnist_exp.models.architectures",
    "mnist_exp.training.optimizers",
    "mnist_exp.training.schedules",
    "mnist_exp.training.losses",
    "mnist_exp.evaluation.scores",
)

_SLOW = {"keras", "tensorflow"}
_seen: set[Path] = set()  # files that were loaded, or are being loaded
_looked: tuple[str, int] | None = None  # from where, and among how many files that were named


def load() -> None:
    """Imports the built-in components and the user's, unless that is done.

    Raises:
        RequestError: the user's cannot be loaded.
    """
    global _looked  # noqa: PLW0603 - as with any import
    now = os.getcwd(), len(places.named)  # noqa: PTH109 - every config that is checked asks
    if now == _looked:
        return
    _load_installed()
    running = {Path(source.path) for source in registry.of_users()}  # a program with its own
    for file in places.files():
        if file.absolute() not in _seen | running:
            _seen.add(file.absolute())
            try:
                _execute(registry.read(file))
            except BaseException:
                _seen.discard(file.absolute())  # it may be corrected, in a notebook
                raise
    _looked = now


def use(file: Path) -> None:
    """Loads the file of components that --components names, instead of the project's.

    Raises:
        RequestError: it cannot be loaded.
    """
    places.named.append(file)
    places.flags.append(f"--components={file}")
    load()


def adopt(found: Iterable[Source]) -> None:
    """Loads what another process of this machine, or of another one, has loaded.

    Args:
        found: of `loaded` there; of a file its text travels along, a package must be installed.

    Raises:
        RequestError: they cannot be loaded.
    """
    _load_installed()
    known = set(registry.of_users())
    for source in found:
        if source.text is None:
            _require_package(source, known)
        else:
            places.named.append(Path(source.path))
            _seen.add(Path(source.path))
            if source not in known:
                _execute(source)


def _require_package(wanted: Source, known: Iterable[Source]) -> None:
    here = [source.name for source in known if source.sha256 == wanted.sha256]
    if wanted.name not in here:
        raise RequestError(
            f"Expected the package {wanted.name} on this machine, as the command has it, for its "
            "components. Received: none, or another version of its code. Install it here."
        )


def loaded() -> tuple[Source, ...]:
    """Returns the sources of the user's own."""
    load()
    return tuple(registry.of_users())


@functools.cache
def _load_installed() -> None:
    for module in _BUILT_IN:
        importlib.import_module(module)
    of_folder: dict[Path | None, list[EntryPoint]] = {}
    for point in places.packages():
        of_folder.setdefault(places.folder_of(point), []).append(point)
    for folder, points in of_folder.items():
        _import(folder, points)


def _import(folder: Path | None, points: Sequence[EntryPoint]) -> None:
    """Imports the modules that a package names, with all that they register."""
    distribution = points[0].dist
    name = points[0].module if distribution is None else distribution.name
    version = "" if distribution is None else f" {distribution.version}"
    what = f"the installed package {name}{version}"
    if folder is None:
        raise _broken(what, ModuleNotFoundError(f"no package, a folder, {points[0].module}"))
    try:
        source = Source(f"{name}{version}", str(folder), _digest(folder))
        with registry.loading(source), _without_keras(what):
            for point in points:
                importlib.import_module(point.module)
    except RequestError as problem:
        raise RequestError(f"In {what}: {problem}") from problem
    except Exception as problem:
        raise _broken(what, problem) from problem


@contextmanager
def _without_keras(what: str) -> Iterator[None]:
    """Refuses what imports TensorFlow before a run has said by which settings.

    Raises:
        RequestError: it did.
    """
    before = _SLOW & sys.modules.keys()
    yield
    if _SLOW & sys.modules.keys() - before:
        raise RequestError(
            f"Expected imports of Keras and TensorFlow within the functions of {what}. Received: "
            "one at its top, which comes before a run sets TensorFlow up. Move it into the "
            "functions."
        )


def _execute(source: Source) -> None:
    """Runs the text of a file, with all that it registers."""
    assert source.text is not None
    module: Any = ModuleType(f"mnist_exp_components_{Path(source.path).stem}")
    module.__file__ = source.path
    sys.modules[module.__name__] = module
    try:
        with registry.loading(source), _without_keras(source.name):
            # The user named the file, on the command line or in the project's own folder.
            exec(compile(source.text, source.path, "exec"), module.__dict__)  # noqa: S102
    except RequestError as problem:
        raise RequestError(f"In {source.name}: {problem}") from problem
    except Exception as problem:
        raise _broken(source.path, problem) from problem


def _broken(what: str, problem: Exception) -> RequestError:
    trace, line = problem.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == what:
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(problem, SyntaxError):
        line = f", line {problem.lineno}"
    alone = " A file is loaded alone: put several into a package, or all into one file."
    remedy = alone if isinstance(problem, ImportError) and Path(what).is_file() else ""
    return RequestError(
        f"Expected components in {what} that can be loaded. Received: {reason_of(problem)}{line}."
        f"{remedy}"
    )


def _digest(folder: Path) -> str:
    """Returns the SHA-256 over the paths and bytes of all Python files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
