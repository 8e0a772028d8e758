"""The configs of a sweep: what its jobs have in common, a grid of overrides, each job's config.

Hydra reads each override once and composes each choice of options once; the values that differ from
job to job are set after it, see `assign`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mnist_exp.config.assign import Base, Setting, number, setting
from mnist_exp.config.compose import Composed, Composer, choices
from mnist_exp.config.diagnose import Examination
from mnist_exp.config.hydra import version_base
from mnist_exp.config.hydra_internal import combinations
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.refusals import words
from mnist_exp.config.validate import validate
from mnist_exp.config.wording import show

PARAMS = "hydra.sweeper.params"


class _Selection(NamedTuple):
    """An override that only Hydra can compose."""

    text: str


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
        self._bases: dict[tuple[str, ...], tuple[Base | None, dict[str, str]]] = {}
        self._read: dict[str, _Selection | Setting | None] = {}
        self._set_keys: set[str] = set()  # of settings that Hydra's parser has read
        with version_base():
            examination = composer.examination(RunMode.MULTIRUN, overrides)
            parsed = examination.parse(overrides)
            self.problems = tuple(examination.problems)
            selected = examination.selections(parsed)
            common = [o for o in selected if not o.is_sweep_override()]
            cfg = examination.compose([str(override.input_line) for override in common])
            if len(examination.problems) > len(self.problems):
                raise ConfigError(examination.problems)
        self.hydra: Any = OmegaConf.to_container(cfg.hydra, resolve=False, enum_to_str=True)
        hydras = [o for o in parsed if o.is_hydra_override() and not o.is_sweep_override()]
        self.for_hydra = tuple(str(override.input_line) for override in hydras)
        others = (str(override.input_line) for override in common if override not in hydras)
        self._common = (*self.for_hydra, *others)  # options of all jobs
        self._common_cfg = cfg
        # What Hydra composes before its sweeper has chosen: without keys of options to come.
        self.for_all = tuple(
            str(override.input_line)
            for override in parsed
            if override in selected or _composes(override, cfg)
        )
        self.overrides = (
            *self._params(cfg, parsed),  # of hydra.sweeper.params, which the command line overrides
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
            jobs = combinations(self.overrides)
        except HydraException as error:
            typed = " ".join(str(override.input_line) for override in self.overrides)
            raise ConfigError([Problem("-m", "a grid of values", typed, words(error))]) from None
        return [tuple(job) for job in jobs]

    def job(self, overrides: Sequence[str]) -> Composed:
        """Returns the config of one job, and the options that it was composed of.

        Raises:
            ConfigError: with all its problems at once.
        """
        texts = [*self.for_hydra, *overrides]
        parts = [self._part(text) for text in texts]
        selected = [part.text for part in parts if isinstance(part, _Selection)]
        base, chosen = self._base(tuple(selected))
        settings = [part for part in parts if isinstance(part, Setting)]
        values = None if base is None or None in parts else base.values(settings)
        if values is None:
            return self._composer.compose(texts)
        return Composed(validate(values), chosen, tuple(overrides))

    def _part(self, text: str) -> _Selection | Setting | None:
        """Returns what an override is: Hydra's to compose, a value to set, or neither."""
        key, _, typed = text.partition("=")
        if key in self._set_keys and (value := number(typed)) is not None:
            return Setting(key, value)  # Hydra's parser takes a hundred times as long
        if text not in self._read:
            self._read[text] = self._parsed(text)
        return self._read[text]

    def _parsed(self, text: str) -> _Selection | Setting | None:
        examination = self._examination(RunMode.RUN)
        parsed = examination.parse([text])
        if not parsed:
            return None
        if examination.selections(parsed):
            return _Selection(text)
        found = setting(parsed[0])
        if found is not None:
            self._set_keys.add(found.key)
        return found

    def _base(self, selections: tuple[str, ...]) -> tuple[Base | None, dict[str, str]]:
        """Returns a choice of options composed; no base where Hydra has to compose every job."""
        if selections not in self._bases:
            if selections == self._common:
                cfg = self._common_cfg
                values, problems = self._composer.values(cfg)
            else:
                cfg, values, problems = self._composer.unchecked(selections)
            base = None if problems else Base.of(cfg, values)
            self._bases[selections] = base, choices(cfg.hydra)
        return self._bases[selections]

    def _params(self, cfg: DictConfig, parsed: Sequence[Override]) -> list[Override]:
        """Returns the space of a sweep in a file, its interpolations resolved, as Hydra does.

        Raises:
            ConfigError: it is none.
        """
        params = self.hydra["sweeper"].get("params") or {}
        if not isinstance(params, dict) or any(isinstance(v, dict) for v in params.values()):
            expected, remedy = "lines of KEY: VALUES", "Write them as model.dropout: 0.1,0.2."
            raise ConfigError([Problem(PARAMS, expected, show(params), remedy)])
        if params:
            params, problems = self._composer.resolved(cfg, PARAMS)
            if problems:
                raise ConfigError(problems)
        typed = {override.get_key_element() for override in parsed}
        texts = [
            f"{key}={'null' if value is None else value}"
            for key, value in params.items()
            if key not in typed
        ]
        examination = self._examination(RunMode.MULTIRUN)
        found = examination.parse(texts)
        if examination.problems:
            raise ConfigError(examination.problems)
        return found

    def _examination(self, mode: RunMode) -> Examination:
        return Examination(self._composer.loader, self._composer.config_name, mode)


def _composes(override: Override, cfg: DictConfig) -> bool:
    """Tells whether a config takes a value: it has the key, or needs none."""
    if override.is_sweep_override() or override.is_hydra_override():
        return True
    if override.is_add() or override.is_force_add():
        return True
    section, _, name = override.key_or_group.rpartition(".")
    values = OmegaConf.select(cfg, section) if section else cfg
    return isinstance(values, DictConfig) and name in values
