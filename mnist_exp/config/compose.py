"""Overrides -> checked config, by Hydra's own loader.

Hydra stops at its first error. Where it does, the overrides are examined one by one: the bad ones
are set aside and reported, the rest is composed and checked, so that one look shows everything.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException, UnsupportedInterpolationType

from mnist_exp.config.diagnose import Examination
from mnist_exp.config.hydra import (
    CONFIG_NAME,
    SEARCHPATH,
    config_loader,
    hidden,
    version_base,
)
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.refusals import words
from mnist_exp.config.schema import Config
from mnist_exp.config.validate import validate


@dataclass(frozen=True)
class Composed:
    """A checked config and how it came about."""

    config: Config
    choices: dict[str, str]  # config group -> chosen option; without Hydra's own groups
    overrides: tuple[str, ...]  # as they were typed; without Hydra's own keys


def compose(overrides: Sequence[str], config_dir: str | None = None) -> Composed:
    """Composes and checks one experiment, as `mnist-exp train` does.

    Args:
        overrides: Hydra overrides, such as `model=mlp` or `training.epochs=2`.
        config_dir: a folder searched after conf/: it adds options.

    Returns:
        The config, the choices and the overrides.

    Raises:
        ConfigError: with all problems at once.
        RequestError: `config_dir` is no folder.
    """
    return Composer(config_dir).compose(overrides)


def from_hydra(cfg: DictConfig) -> Config:
    """Checks what Hydra hands to a task function.

    Raises:
        ConfigError: with all problems at once.
    """
    values, problems = plain(cfg)
    return validate(values, problems)


def choices(hydra: Any) -> dict[str, str]:
    """Returns the chosen options, without Hydra's own groups and those left empty.

    Args:
        hydra: the `hydra` section of a composed config.

    Returns:
        Config group -> option.
    """
    return {
        group: str(option)
        for group, option in hydra.runtime.choices.items()
        if not group.startswith("hydra/") and option is not None
    }


class Composer:
    """Composes from conf/, and from a folder of the user's."""

    def __init__(
        self,
        config_dir: str | os.PathLike[str] | None = None,
        config_name: str | None = None,
        config_path: str | None = None,
    ) -> None:
        """Opens the folders.

        Args:
            config_dir: a folder searched after conf/: it adds options.
            config_name: the primary config; None for `config`.
            config_path: a folder in place of conf/.
        """
        self.loader = config_loader(config_dir, config_path)
        self.config_name = config_name or CONFIG_NAME
        self._is_own = bool(config_name or config_path)  # the primary config

    def compose(self, overrides: Sequence[str]) -> Composed:
        """Composes and checks one experiment; see the function `compose`."""
        cfg, config = self.checked(overrides)
        return Composed(config, choices(cfg.hydra), tuple(task_overrides(cfg.hydra)))

    def checked(self, overrides: Sequence[str]) -> tuple[DictConfig, Config]:
        """Composes one experiment.

        Args:
            overrides: Hydra overrides.

        Returns:
            Hydra's config, with the `hydra` section and a job folder chosen, and the checked one.

        Raises:
            ConfigError: with all problems at once.
        """
        cfg, values, problems = self.unchecked(overrides)
        return cfg, validate(values, problems)

    def unchecked(
        self, overrides: Sequence[str]
    ) -> tuple[DictConfig, dict[str, Any], list[Problem]]:
        """Composes one experiment, and leaves it to `validate` whether the values fit the schema.

        Args:
            overrides: Hydra overrides.

        Returns:
            Hydra's config as `checked` has it, its values, and what is wrong so far.

        Raises:
            ConfigError: the configs do not compose without any override either.
        """
        with version_base():
            examination = self.examination(RunMode.RUN, overrides)
            cfg = examination.compose(overrides)
        values, problems = self.values(cfg)
        return cfg, values, [*examination.problems, *problems]

    def examination(self, mode: RunMode, overrides: Sequence[str]) -> Examination:
        """Returns what finds wrong overrides, among all options that they can choose.

        Args:
            mode: RUN, where several values are an error, or MULTIRUN, where jobs take them.
            overrides: all of the command.

        Raises:
            ConfigError: a folder of `hydra.searchpath` is not there.
        """
        examination = Examination(self.loader, self.config_name, mode)
        if self._is_own or any(text.startswith(SEARCHPATH) for text in overrides):
            examination.search(overrides)
        return examination

    def values(self, cfg: DictConfig) -> tuple[dict[str, Any], list[Problem]]:
        """Returns the values of a config as a job has them, and what is wrong so far."""
        with version_base(), _as_job(cfg):
            values, unresolved = plain(cfg)
        return values, [*unresolved, *self._hidden()]

    def resolved(self, cfg: DictConfig, section: str) -> tuple[dict[str, Any], list[Problem]]:
        """Returns the values of one section, with dots, and what is wrong with them."""
        problems: list[Problem] = []
        with version_base(), _as_job(cfg):
            node = OmegaConf.select(cfg, section)
            return dict(_resolve(node, list(node), f"{section}.", problems)), problems

    def _hidden(self) -> Iterator[Problem]:
        for file in hidden(self.loader):
            key = f"{file.parent.name}/{file.name}"
            received = f"{file}, which a file of mnist-exp hides"
            remedy = "Rename that file, and choose it by its new name."
            yield Problem(key, "a file with a name of its own", received, remedy)


def task_overrides(hydra: Any) -> list[str]:
    """Returns the overrides as they were typed, without Hydra's own keys.

    Args:
        hydra: the `hydra` section of a composed config.
    """
    texts: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return [str(text) for text in texts]


def plain(cfg: DictConfig) -> tuple[dict[str, Any], list[Problem]]:
    """Resolves a config to dicts, lists and scalars.

    Returns:
        The values without the `hydra` section, and a problem for each interpolation that failed;
        such values, and missing ones (`???`), are left out.
    """
    problems: list[Problem] = []
    sections = [key for key in cfg if key != "hydra"]
    return dict(_resolve(cfg, sections, "", problems)), problems


def _resolve(
    node: DictConfig | ListConfig, keys: Iterable[Any], prefix: str, problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    for key in keys:
        name = f"{prefix}{key}"
        if OmegaConf.is_missing(node, key):
            continue
        try:
            value = node[key]
        except OmegaConfBaseException as error:
            unresolved: Any = OmegaConf.to_container(node, resolve=False)
            expected, remedy = "a value that resolves", words(error)
            if isinstance(error, UnsupportedInterpolationType):
                remedy += ". Register a resolver of your own in a file for --components."
            problems.append(Problem(name, expected, str(unresolved[key]), remedy))
            continue
        if isinstance(value, DictConfig):
            value = dict(_resolve(value, list(value), f"{name}.", problems))
        elif isinstance(value, ListConfig):
            value = [v for _, v in _resolve(value, range(len(value)), f"{name}.", problems)]
        yield str(key), value


@contextmanager
def _as_job(cfg: DictConfig) -> Iterator[None]:
    """Lets a config see what Hydra tells a job, such as `${hydra:runtime.output_dir}`."""
    holder = HydraConfig.instance()
    before = holder.cfg
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.mode = cfg.hydra.mode or RunMode.RUN
    holder.set_config(cfg)
    try:
        with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
            cfg.hydra.runtime.output_dir = str(_run_dir(cfg).absolute())
        yield
    finally:
        holder.cfg = before


def _run_dir(cfg: DictConfig) -> Path:
    try:
        return Path(cfg.hydra.run.dir)
    except OmegaConfBaseException as error:  # it refers to itself, or to nothing
        typed = OmegaConf.to_container(cfg.hydra.run, resolve=False)["dir"]  # type: ignore[index, call-overload]
        expected, remedy = "a value that resolves", "Name a folder, or leave it out."
        raise ConfigError([Problem("hydra.run.dir", expected, str(typed), remedy)]) from error
