"""Hydra's config loader over conf/, without Hydra's global state: it works inside other apps.

What composes and what completes a command line share it; checking is the business of `config`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import SearchPathQuery
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.version import VersionBase, setbase
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mnist_exp.config.hydra_internal import (
    VERSION_BASE,
    ConfigLoaderImpl,
    create_config_search_path,
    register_resolver,
)
from mnist_exp.core import ids
from mnist_exp.core.errors import ExperimentError, RequestError

CONFIG_NAME = "config"
# Hydra's advice, which a command of ours does not follow.
_FULL_ERROR = re.compile(r",? set env var `?HYDRA_FULL_ERROR=1`? to see chained exception")
SLIPS = (TypeError, AssertionError)  # Hydra's own, over overrides such as `model=[[1]]` and `+=`
OF_THE_USER = "command-line"  # where Hydra says that --config-dir comes from


def config_folder() -> Path:
    """Returns conf/: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def job_folder(*_: Any) -> str:
    """Returns a new name for a job's folder.

    Hydra calls it for `${mnist_exp.job_folder:}`; an argument, such as a job's number, keeps the
    name of one job from being taken for another's.
    """
    return ids.new()


def register_resolvers() -> None:
    """Registers the interpolations of conf/: Hydra's own, and the name of a job's folder."""
    setup_globals()
    register_resolver("mnist_exp.job_folder", job_folder, use_cache=True, replace=True)


@contextmanager
def version_base() -> Iterator[None]:
    """Sets Hydra's process-wide compatibility version, and puts back what was there."""
    holder = VersionBase.instance()
    before = holder.getbase()
    setbase(VERSION_BASE)
    try:
        yield
    finally:
        holder.version_base = before


def config_loader(
    config_dir: str | os.PathLike[str] | None = None, config_path: str | None = None
) -> ConfigLoaderImpl:
    """Returns a loader over conf/ and a folder of the user's.

    Args:
        config_dir: a folder searched after conf/, as by Hydra's --config-dir: it adds options.
        config_path: a folder in place of conf/, as Hydra's --config-path.

    Returns:
        Hydra's config loader.

    Raises:
        RequestError: `config_dir` is no folder.
    """
    register_resolvers()
    search_path = create_config_search_path(config_path or str(config_folder()))
    if config_dir is not None:
        is_path = isinstance(config_dir, str | os.PathLike) and bool(config_dir)
        folder = Path(config_dir if is_path else os.devnull).absolute()
        if not folder.is_dir():
            received = str(config_dir) if is_path else config_dir
            raise RequestError(
                f"Expected --config-dir to be a folder of configs. Received: {received!r}, "
                "which is no folder."
            )
        anchor = SearchPathQuery(provider="schema")
        search_path.prepend(provider=OF_THE_USER, path=f"file://{folder}", anchor=anchor)
    return ConfigLoaderImpl(config_search_path=search_path)


def hidden(loader: ConfigLoaderImpl, chosen: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Finds files of options that were chosen and not read, since a folder before has the name.

    Args:
        loader: of the folders, in the order in which Hydra searches them.
        chosen: config group -> option.

    Yields:
        A group, and a file that says something else than the one that was read.
    """
    sources = [source for source in loader.get_sources() if source.scheme() == "file"]
    folders = [Path(source.path.removeprefix("file://")) for source in sources]
    for group, option in chosen.items():
        files = [folder / group / f"{option}.yaml" for folder in folders]
        first, *others = [file for file in files if file.is_file()] or [Path()]
        for file in others:
            if file.read_bytes() != first.read_bytes():
                yield group, file


def typed_flags(runtime: Mapping[str, Any]) -> list[str]:
    """Returns the flags that a config was composed with: --config-dir, where it was given.

    Args:
        runtime: `hydra.runtime` of the config.

    Returns:
        One argument a flag; the folder seen from where the command was given.
    """
    folders = [
        Path(source["path"])
        for source in runtime["config_sources"]
        if source["provider"] == OF_THE_USER
    ]
    here = Path(runtime["cwd"])
    return [
        f"--config-dir={folder.relative_to(here) if folder.is_relative_to(here) else folder}"
        for folder in folders
    ]


@contextmanager
def hydra_errors() -> Iterator[None]:
    """Tells in our words what Hydra refuses within the block.

    Raises:
        RequestError: a config or an override is wrong, or the job's folder cannot be made.
        ExperimentError: a process of a launcher cannot be started.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise RequestError(_FULL_ERROR.sub("", " ".join(str(error).split()))) from error
    except BlockingIOError as error:  # of a launcher
        raise ExperimentError(
            f"Expected to start the processes of the jobs. Received: {error.strerror}. End other "
            "processes, raise their limit (`ulimit -u`), or have fewer jobs run at once."
        ) from error
    except OSError as error:  # behind Hydra's errors, for a config that is missing is one of both
        raise RequestError(
            f"Expected a folder for the job that can be written. Received: {error}. Run the "
            "command from another folder, or choose one with hydra.run.dir=FOLDER."
        ) from error
