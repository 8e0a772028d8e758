"""Hydra's config loader over conf/, without Hydra's global state: it works inside other apps.

What composes and what completes a command line share it; checking is the business of `config`.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import SearchPathQuery
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.version import VersionBase, setbase
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mnist_exp.config import places
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
_FLAGS = {OF_THE_USER: "--config-dir", "main": "--config-path"}
SEARCHPATH = "hydra.searchpath"  # more folders; where Hydra says that they come from begins so too


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
    search_path = create_config_search_path(in_place_of_conf(config_path))
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


def in_place_of_conf(config_path: str | None) -> str:
    """Returns the folder of the primary config: --config-path, seen from the working folder."""
    if not config_path:
        return str(config_folder())
    return config_path if "://" in config_path else str(Path(config_path).absolute())


def hidden(loader: ConfigLoaderImpl) -> Iterator[Path]:
    """Yields files that are not read, since a folder before has another under the same name.

    Args:
        loader: of the folders, in the order in which Hydra searches them.
    """
    sources = [source for source in loader.get_sources() if source.scheme() == "file"]
    first: dict[str, Path] = {}
    for source in sources if len(sources) > 1 else ():
        folder = Path(source.path.removeprefix("file://"))
        for name, file in first.items():
            other = folder / name
            if other.is_file() and other.read_bytes() != file.read_bytes():
                yield other
        of_the_user = source.provider in _FLAGS or source.provider.startswith(SEARCHPATH)
        if not of_the_user or folder == config_folder():  # a user's may be any folder
            for file in folder.rglob("*.yaml"):
                first.setdefault(str(file.relative_to(folder)), file)


def given_flags(hydra: Any) -> list[str]:
    """Returns the flags that a config was composed with, as a command repeats them.

    Args:
        hydra: the `hydra` section of the config, or what holds it as mappings.

    Returns:
        One argument a flag, and `hydra.searchpath=` where it was typed; the folders of flags as
        seen from where the command was given.
    """
    runtime = hydra["runtime"]
    here = Path(runtime["cwd"])
    flags = list(places.flags)
    for source in runtime["config_sources"]:
        flag = _FLAGS.get(source["provider"])
        if flag is not None and source["path"] != str(config_folder()):
            path, scheme = Path(source["path"]), source["schema"]
            below = path.relative_to(here) if path.is_relative_to(here) else path
            flags.append(f"{flag}={below if scheme == 'file' else f'{scheme}://{path}'}")
    name = hydra["job"]["config_name"]
    flags += [] if name == CONFIG_NAME else [f"--config-name={name}"]
    return flags + [o for o in hydra["overrides"]["hydra"] if o.startswith(f"{SEARCHPATH}=")]


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
        said = _FULL_ERROR.sub("", " ".join(str(error).split()))
        raise RequestError(f"Expected a command that Hydra can run. Received: {said}") from error
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
