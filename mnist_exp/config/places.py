"""Where a user's own components lie; nothing of them is loaded here.

A package names its modules by entry points of the group `mnist_exp.components`. A file is named on
the command line, or in `pyproject.toml` of the working folder: `components = "components.py"` under
`[tool.mnist_exp]`. A folder `conf` beside the file, or in the package, has its YAML.
"""

import functools
import importlib.metadata
import importlib.util
import tomllib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from mnist_exp.core.errors import RequestError, reason_of

_ENTRY_POINTS = "mnist_exp.components"
_PROJECT = "pyproject.toml"
_CONF = "conf"

named: list[Path] = []  # files, on the command line or by another process
programs: list[Path] = []  # that register their own, and have run
flags: list[str] = []  # of the command line that named them, for commands that repeat it


def files() -> list[Path]:
    """Returns the files: those that were named, else that of the project in the working folder.

    Raises:
        RequestError: the project's file is not TOML, or names none.
    """
    return list(named) or list(_of_project())


@functools.cache
def packages() -> tuple[importlib.metadata.EntryPoint, ...]:
    """Returns the entry points of installed packages."""
    return tuple(importlib.metadata.entry_points(group=_ENTRY_POINTS))


def folder_of(point: importlib.metadata.EntryPoint) -> Path | None:
    """Returns the folder of the package of an entry point; None where it is not there.

    It is the outermost, below namespaces: those hold no file, and packages of others too.
    """
    specs = map(importlib.util.find_spec, accumulate(point.module.split("."), "{}.{}".format))
    spec = next((spec for spec in specs if spec is None or spec.origin is not None), None)
    in_package = spec is not None and (spec.submodule_search_locations or "." in spec.name)
    return Path(spec.origin).parent if spec and spec.origin and in_package else None


def config_folders() -> list[Path]:
    """Returns the folders that hold the YAML of the user's own components.

    Raises:
        RequestError: as of `files`.
    """
    beside = [file.absolute().parent for file in (*files(), *programs)]
    within = [folder for folder in map(folder_of, packages()) if folder is not None]
    folders = dict.fromkeys(folder / _CONF for folder in (*beside, *within))
    return [folder for folder in folders if folder.is_dir()]


def _of_project() -> Iterator[Path]:
    try:
        section: Any = tomllib.loads(Path(_PROJECT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as problem:
        raise RequestError(
            f"Expected {_PROJECT} to be TOML that can be read. Received: {reason_of(problem)}."
        ) from problem
    for key in ("tool", "mnist_exp", "components"):
        section = section.get(key) if isinstance(section, dict) else None
    if section is None:
        return
    if not isinstance(section, str):
        raise RequestError(
            f"Expected the name of a file as tool.mnist_exp.components in {_PROJECT}. "
            f"Received: {section!r}."
        )
    yield Path(section)
