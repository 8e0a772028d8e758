"""Overrides that Hydra refuses, one by one: what is wrong with each, and which can stay."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mnist_exp.config import slips
from mnist_exp.config.hydra import SLIPS, config_folder
from mnist_exp.config.hydra_internal import ConfigLoaderImpl, apply_override
from mnist_exp.config.validate import ConfigError, Problem, schema_keys, takes_list, unknown_key
from mnist_exp.core.errors import nearest

# Hydra raises ValueError where an override does not fit a group, and lets YAML's errors through.
_WITHOUT_PACKAGE = re.compile(r"Could not override '[\w/]+@\w+\.")
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError, ValueError, *SLIPS)


def words(error: BaseException) -> str:
    """Returns a library's message, and its cause's, on one line."""
    parts = [error] if error.__cause__ is None else [error, error.__cause__]
    text = " ".join(" ".join(str(part).split()) for part in parts).strip()
    text = text.partition(" full_key: ")[0]  # OmegaConf repeats the key and names its own types
    return text or type(error).__name__


class Examination:
    """Finds the overrides that compose, and a problem for each that does not."""

    def __init__(self, loader: ConfigLoaderImpl, config_name: str, mode: RunMode) -> None:
        """Looks at nothing yet.

        Args:
            loader: Hydra's loader.
            config_name: the primary config.
            mode: RUN, where several values are an error, or MULTIRUN, where jobs take them.
        """
        self.problems: list[Problem] = []
        self.accepted: list[Override] = []
        self._loader = loader
        self._config_name = config_name
        self._mode = mode

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Composes all overrides as Hydra does, or else those that can be.

        Returns:
            Hydra's config; `accepted` holds the overrides that are in it, or wait for the jobs of
            a sweep, and `problems` tells of the others.

        Raises:
            ConfigError: the configs do not compose without any override either.
        """
        parsed = self.parse(overrides)
        refusal = ""
        if not self.problems and all(_may_fit(override) for override in parsed):
            try:
                return self._load(parsed)
            except COMPOSITION_ERRORS as error:
                refusal = words(error)  # which override is at fault is found out below
        first = self.selections(parsed)
        cfg = self._load_selections(first)
        known = set(_paths(OmegaConf.to_container(cfg, resolve=False)))
        for override in parsed:
            if override not in first and self._apply(override, cfg, known):
                self.accepted.append(override)
        if refusal and not self.problems:
            expected = "overrides that compose"
            self.problems.append(Problem("config", expected, " ".join(overrides), refusal))
        return cfg

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Returns the overrides that can be read and name an option that exists."""
        cut = slips.across(overrides)
        self.problems += cut.problems
        parsed = [override for text in cut.rest for override in self._parse(text)]
        return [o for o in parsed if not self._is_selection(o) or self._option_exists(o)]

    def selections(self, parsed: Sequence[Override]) -> list[Override]:
        """Returns those that only Hydra can compose: options of groups, and Hydra's own keys."""
        return [o for o in parsed if self._is_selection(o) or o.is_hydra_override()]

    def _load(self, overrides: Sequence[Override]) -> DictConfig:
        texts = [str(override.input_line) for override in overrides]
        cfg: DictConfig = self._loader.load_configuration(
            self._config_name, texts, self._mode, from_shell=False
        )
        self.accepted = list(overrides)
        return cfg

    def _load_selections(self, overrides: Sequence[Override]) -> DictConfig:
        """Composes the overrides that Hydra takes: all at once if it can be, else one by one."""
        try:
            return self._load(overrides)
        except COMPOSITION_ERRORS:
            pass  # which one is at fault is found out below
        try:
            cfg = self._load([])
        except COMPOSITION_ERRORS as error:
            name = f"{self._config_name}.yaml"
            problem = Problem(name, "configs that compose", "an error", words(error))
            raise ConfigError([problem]) from None
        for override in overrides:
            try:
                cfg = self._load([*self.accepted, override])
            except COMPOSITION_ERRORS as error:
                self._refuse(override, error)
        return cfg

    def _apply(self, override: Override, cfg: DictConfig, known: set[str]) -> bool:
        """Sets a value, as Hydra does, or adds a problem; tells whether it could."""
        if override.is_sweep_override():
            return True
        key = override.key_or_group
        added = override.is_add() or override.is_force_add()
        if override.is_add() and key in known and not isinstance(override.value(), dict | list):
            received = str(override.input_line)
            remedy = f"Write {received[1:]}, without the +."
            self.problems.append(Problem(f"+{key}", "a new key", received, remedy))
            return False
        if key not in known and not added:
            groups = self._loader.list_groups("")
            values: Any = OmegaConf.to_container(cfg, resolve=False)
            self.problems.append(unknown_key(key, values, sorted({*known, *groups})))
            return False
        try:
            if key == "hydra":
                raise ValueError("The section hydra is Hydra's own.")
            apply_override(override, cfg)
        except COMPOSITION_ERRORS as error:
            self._refuse(override, error)
            return False
        return True

    def _refuse(self, override: Override, error: Exception) -> None:
        expected = "an override that fits the config"
        received = str(override.input_line)
        if override.is_delete() and "does not exist" in str(error):  # Hydra deletes no null
            remedy = f"Leave {received} out."
            self.problems.append(Problem(received, "a value to delete", "null", remedy))
            return
        remedy = "Try it without the +." if override.is_add() else words(error)
        if _WITHOUT_PACKAGE.search(remedy):
            remedy = "Begin that file with the line `# @package _global_`, as every recipe does."
        owners = [] if override.is_add() else _launchers(override.key_or_group)
        if owners:
            remedy = f"It is a key of hydra/launcher={' or '.join(owners)}, to be chosen with it."
        self.problems.append(Problem(override.get_key_element(), expected, received, remedy))

    def _parse(self, text: str) -> Iterator[Override]:
        try:
            parser = OverridesParser.create(config_loader=self._loader)
            override = parser.parse_overrides([text])[0]
        except (HydraException, ValueError):  # Python reads no number of 5,000 digits
            override = None
        if override is None or not override.key_or_group:
            expected = "an override: key=value, +key=value, ~key or group=option"
            repository = self._loader.repository
            options = {group: repository.get_group_options(group) for group in _groups(repository)}
            found = Problem(repr(text), expected, "a syntax error", slips.remedy(text, options))
            self.problems.append(found)
            return
        if override.is_sweep_override() and self._mode == RunMode.RUN:
            received = text.partition("=")[2]
            key = override.get_key_element()
            a_list = f", or write a list: [{received}]" if takes_list(key) else ""
            remedy = f"Add -m to sweep over the values{a_list}."
            self.problems.append(Problem(key, "one value", f"several, {received}", remedy))
            return
        yield override

    def _is_selection(self, override: Override) -> bool:
        """Tells whether an override picks an option of a config group."""
        key = override.key_or_group
        is_group = self._loader.repository.group_exists(key)
        sweep = override.is_sweep_override()
        return is_group and (sweep or not isinstance(override.value(), dict))

    def _option_exists(self, override: Override) -> bool:
        if override.is_sweep_override() or override.is_delete():
            return True
        group, value = override.key_or_group, override.value()
        # As the loader's own method, which copies what it knows of the folders at every call.
        options = self._loader.repository.get_group_options(group)
        expected = f"one of {', '.join(options)}"
        if value is None:
            problem = Problem(group, expected, "null", f"To leave it out write ~{group}.")
            self.problems.append(problem)
            return False
        names = value if isinstance(value, list) else [value]
        if str(value) in options and not isinstance(value, str):
            quoted = shlex.quote(f'{group}="{value}"')
            problem = Problem(group, "text", f"{value}, no text", f"Write {quoted}.")
            self.problems.append(problem)
            return False
        for name in [str(name) for name in names if str(name) not in options]:
            self.problems.append(Problem(group, expected, name, nearest(name, options).strip()))
        return all(str(name) in options for name in names)


def _launchers(key: str) -> list[str]:
    """Returns the launchers of conf/ that have a key, of those below `hydra.launcher`."""
    section, _, name = key.rpartition(".")
    if section != "hydra.launcher":
        return []
    files = sorted((config_folder() / "hydra" / "launcher").glob("*.yaml"))
    line = re.compile(rf"^{re.escape(name)}:", re.MULTILINE)
    return [file.stem for file in files if line.search(file.read_text(encoding="utf-8"))]


def _groups(repository: Any) -> list[str]:
    """Returns the config groups, without Hydra's own."""
    found = repository.get_group_options("", results_filter=ObjectType.GROUP)
    return [group for group in found if group != "hydra"]


def _may_fit(override: Override) -> bool:
    """Tells whether a key is one of the schema's; where one is not, Hydra need not be asked."""
    key = ".".join(override.key_or_group.split(".")[:2])
    return key in schema_keys() or override.is_hydra_override() or "." not in key


def _paths(values: Any, prefix: str = "") -> Iterator[str]:
    """Yields every dotted key of plain nested values, of sections and of values."""
    items = enumerate(values) if isinstance(values, list) else values.items()
    for key, value in items:
        yield f"{prefix}{key}"
        if isinstance(value, dict | list):
            yield from _paths(value, f"{prefix}{key}.")
