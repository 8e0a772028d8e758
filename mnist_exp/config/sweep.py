"""The configs of a sweep: what its jobs have in common, a grid of overrides, each job's config.

Hydra composes each choice of options once; the values that differ from job to job are set after it.
"""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mnist_exp.config.composing import Composer
from mnist_exp.config.examination import Examination, words
from mnist_exp.config.report import ConfigError, Problem
from mnist_exp.config.schema import Config
from mnist_exp.hydra_loader import version_base


class SweepComposer:
    """Composes the jobs of one sweep."""

    def __init__(self, composer: Composer, overrides: Sequence[str]) -> None:
        """Reads the command line of a sweep.

        Args:
            composer: over the user's folders.
            overrides: as typed, with values to sweep over among them.

        An override that cannot be read, or names an option that does not exist, is left out, and
        `problems` tells of it.

        Raises:
            ConfigError: what the jobs have in common does not compose.
        """
        self._composer = composer
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        examination = Examination(composer.loader, composer.config_name, RunMode.MULTIRUN)
        with version_base():
            parsed = examination.parse(overrides)
            self.problems = tuple(examination.problems)
            common = [o for o in examination.selections(parsed) if not o.is_sweep_override()]
            cfg = examination.compose([str(override.input_line) for override in common])
            if len(examination.problems) > len(self.problems):
                raise ConfigError(examination.problems)
        self.hydra: Any = OmegaConf.to_container(cfg.hydra, resolve=False)
        hydras = [o for o in parsed if o.is_hydra_override() and not o.is_sweep_override()]
        self.for_hydra = tuple(str(override.input_line) for override in hydras)
        self.overrides = (
            *self._params(parsed),  # of hydra.sweeper.params, which the command line overrides
            *(o for o in parsed if o not in hydras),
        )

    def chosen(self, group: str) -> bool:
        """Tells whether an option of a config group is chosen."""
        return bool(self.hydra["runtime"]["choices"].get(group))

    def grid(self) -> list[tuple[str, ...]]:
        """Returns the overrides of each job, those that are the same for all among them.

        Raises:
            ConfigError: Hydra cannot make a grid of them.
        """
        try:
            jobs = BasicSweeper.split_arguments(list(self.overrides), None)[0]
        except HydraException as error:
            typed = " ".join(str(override.input_line) for override in self.overrides)
            raise ConfigError([Problem("-m", "a grid of values", typed, words(error))]) from None
        return [tuple(job) for job in jobs]

    def config(self, overrides: Sequence[str]) -> Config:
        """Returns the config of one job.

        Raises:
            ConfigError: with all its problems at once.
        """
        return self._composer.checked([*self.for_hydra, *overrides], self._bases)[1]

    def _params(self, parsed: Sequence[Override]) -> list[Override]:
        params = self.hydra["sweeper"].get("params") or {}
        typed = {override.get_key_element() for override in parsed}
        texts = [f"{key}={value}" for key, value in params.items() if key not in typed]
        parser = OverridesParser.create(config_loader=self._composer.loader)
        return list(parser.parse_overrides(texts))
