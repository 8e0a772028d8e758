"""Overrides -> checked config, by Hydra's own loader.

Hydra stops at its first error. Where it does, the overrides are examined one by one: the bad ones
are set aside and reported, the rest is composed and checked, so that one look shows everything.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.config.examination import Examination, words
from mnist_exp.config.report import ConfigError, Problem, validate
from mnist_exp.config.schema import Config
from mnist_exp.hydra_loader import CONFIG_NAME, config_loader, version_base

MOST_PROBLEMS = 20  # of a sweep, after which no further job is looked at


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
        config_dir: a folder searched before conf/.

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
        config_dir: str | None = None,
        config_name: str | None = None,
        config_path: str | None = None,
    ) -> None:
        """Opens the folders.

        Args:
            config_dir: a folder searched before conf/.
            config_name: the primary config; None for `config`.
            config_path: a folder in place of conf/.
        """
        self.loader = config_loader(config_dir, config_path)
        self.config_name = config_name or CONFIG_NAME

    def compose(self, overrides: Sequence[str]) -> Composed:
        """Composes and checks one experiment; see the function `compose`."""
        cfg, config = self.checked(overrides)
        return Composed(config, choices(cfg.hydra), tuple(task_overrides(cfg.hydra)))

    def checked(
        self, overrides: Sequence[str], job_number: int | None = None
    ) -> tuple[DictConfig, Config]:
        """Composes one experiment.

        Args:
            overrides: Hydra overrides.
            job_number: the place in a sweep.

        Returns:
            Hydra's config, with the `hydra` section and a job folder chosen, and the checked one.

        Raises:
            ConfigError: with all problems at once.
        """
        with version_base():
            examination = Examination(self.loader, self.config_name, RunMode.RUN)
            cfg = examination.compose(overrides)
            with _as_job(cfg, job_number):
                values, unresolved = plain(cfg)
            return cfg, validate(values, [*examination.problems, *unresolved])

    def check_sweep(self, overrides: Sequence[str]) -> None:
        """Checks every job of a sweep.

        Raises:
            ConfigError: with the problems of all jobs.
        """
        examination = Examination(self.loader, self.config_name, RunMode.MULTIRUN)
        with version_base():
            cfg = examination.compose(overrides)
        problems = examination.problems
        for_hydra = [str(o.input_line) for o in examination.accepted if o.is_hydra_override()]
        for_jobs = [o for o in examination.accepted if not o.is_hydra_override()]
        for number, job in enumerate(self._jobs(cfg.hydra.sweeper, for_jobs)):
            try:
                self.checked([*for_hydra, *job], number)
            except ConfigError as error:
                problems = list(dict.fromkeys([*problems, *error.problems]))
            if len(problems) >= MOST_PROBLEMS:
                break
        if problems:
            raise ConfigError(problems)

    def _jobs(self, sweeper: Any, overrides: Sequence[Override]) -> list[list[str]]:
        """Returns the overrides of each job that Hydra's own sweeper would make of a sweep."""
        texts = [str(override.input_line) for override in overrides]
        if not sweeper.get("_target_", "").endswith(BasicSweeper.__name__):
            # Another sweeper picks values as it goes; each job is checked when it starts.
            return [[str(o.input_line) for o in overrides if not o.is_sweep_override()]]
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        parser = OverridesParser.create(config_loader=self.loader)
        try:
            parsed = parser.parse_overrides([*params, *texts])
            return [list(job) for job in BasicSweeper.split_arguments(parsed, None)[0]]
        except HydraException as error:
            problem = Problem("-m", "a grid of values", " ".join(texts), words(error))
            raise ConfigError([problem]) from None


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
            expected = "a value that resolves"
            problems.append(Problem(name, expected, str(unresolved[key]), words(error)))
            continue
        if isinstance(value, DictConfig):
            value = dict(_resolve(value, list(value), f"{name}.", problems))
        elif isinstance(value, ListConfig):
            value = [v for _, v in _resolve(value, range(len(value)), f"{name}.", problems)]
        yield str(key), value


@contextmanager
def _as_job(cfg: DictConfig, job_number: int | None) -> Iterator[None]:
    """Lets a config see what Hydra tells a job, such as `${hydra:runtime.output_dir}`."""
    holder = HydraConfig.instance()
    before = holder.cfg
    with read_write(cfg), open_dict(cfg.hydra):
        if job_number is not None:
            cfg.hydra.job.num = job_number
            cfg.hydra.job.id = str(job_number)
        cfg.hydra.mode = cfg.hydra.mode or RunMode.RUN
    holder.set_config(cfg)
    try:
        with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
            cfg.hydra.runtime.output_dir = str(Path(cfg.hydra.run.dir).absolute())
        yield
    finally:
        holder.cfg = before
