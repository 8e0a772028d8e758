"""Overrides that Hydra refuses, one by one: what is wrong with each, and which can stay."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from warnings import catch_warnings

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mnist_exp.config import components, slips
from mnist_exp.config.functions import mixes, wrong_call
from mnist_exp.config.hydra import OF_THE_USER, SEARCHPATH, SLIPS, config_folder
from mnist_exp.config.hydra_internal import ConfigLoaderImpl, apply_override, search
from mnist_exp.config.keys import GROUPED, schema_keys, takes, takes_list
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.quoting import in_quotes
from mnist_exp.config.refusals import words
from mnist_exp.config.registry import GROUPS
from mnist_exp.config.validate import RECIPE, unknown_key
from mnist_exp.config.wording import nearest_key
from mnist_exp.core.errors import nearest

# Hydra raises ValueError where an override does not fit a group, and lets YAML's errors through.
_WITHOUT_PACKAGE = re.compile(r"Could not override '[\w/]+@\w+\.")
_OF_DEFAULTS = re.compile(r"In '.*': Could not (?:override|find)|Multiple values for")
_UNKNOWN = re.compile(r"In '.*': Could not (?:override|find) '([\w/.-]+)'")
_MAY_LACK = ("experiment", "search")  # groups without an option by default
_GROUPS_OF_HYDRA = ("launcher", "sweeper")  # which Hydra sets to any value
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    YAMLError,
    ValueError,
    RecursionError,
    AttributeError,
    *SLIPS,
)


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

    def search(self, overrides: Sequence[str]) -> None:
        """Has the loader look for options where `hydra.searchpath` says too.

        Args:
            overrides: some of which may say it; the primary config may as well.

        Raises:
            ConfigError: a folder is not there.
        """
        said = [text for text in overrides if text.startswith(f"{SEARCHPATH}=")]
        with suppress(*COMPOSITION_ERRORS), catch_warnings(action="ignore"):  # it is told of below
            search(self._loader, self._config_name, said)
        for source in self._loader.get_sources():
            if source.provider.startswith(SEARCHPATH) and not source.available():
                raise ConfigError([Problem(SEARCHPATH, "folders of configs", source.path)])

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Composes all overrides as Hydra does, or else those that can be.

        Returns:
            Hydra's config; `accepted` holds the overrides that are in it, or wait for the jobs of
            a sweep, and `problems` tells of the others.

        Raises:
            ConfigError: the configs do not compose without any override either.
        """
        cfg = self._composed(overrides)
        for group in _GROUPS_OF_HYDRA:
            found = OmegaConf.select(cfg, f"hydra.{group}")
            if not isinstance(found, DictConfig):
                name = found if isinstance(found, str) else "OPTION"
                remedy = (
                    f"Write hydra/{group}={name}, in a file `- override /hydra/{group}: {name}`."
                )
                expected, received = "a section of keys", f"{found or 'nothing'}"
                self.problems.append(Problem(f"hydra.{group}", expected, received, remedy))
        return cfg

    def _composed(self, overrides: Sequence[str]) -> DictConfig:
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
        if not all(map(self._read, overrides)):
            cut = slips.across(overrides, self._read, self._options())
            self.problems += cut.problems
            overrides = cut.rest
        parsed = [override for text in overrides for override in self._parse(text)]
        return [o for o in parsed if not self._is_selection(o) or self._option_exists(o)]

    def selections(self, parsed: Sequence[Override]) -> list[Override]:
        """Returns those that only Hydra can compose: options of groups, and Hydra's own keys."""
        first = [o for o in parsed if self._is_selection(o)]
        return first + [o for o in parsed if o.is_hydra_override() and o not in first]

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
            name = f"{self._config_name.removesuffix('.yaml')}.yaml"
            remedy = words(error)
            if "Cannot find primary config" in remedy:
                remedy += " A recipe is chosen with experiment=NAME, --config-dir the folder above."
            problem = Problem(name, "configs that compose", "an error", remedy)
            raise ConfigError([problem]) from None
        for override in overrides:
            try:
                cfg = self._load([*self.accepted, override])
            except COMPOSITION_ERRORS as error:
                self._refuse(override, error, cfg)
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
            self._refuse(override, error, cfg)
            return False
        return True

    def _refuse(self, override: Override, error: Exception, cfg: DictConfig) -> None:
        expected = "an override that fits the config"
        received = str(override.input_line)
        if override.is_delete() and "does not exist" in str(error):  # Hydra deletes no null
            remedy = f"Leave {received} out."
            self.problems.append(Problem(received, "a value to delete", "null", remedy))
            return
        remedy = "Try it without the +." if override.is_add() else words(error)
        if _WITHOUT_PACKAGE.search(remedy):
            remedy = RECIPE
        elif "with ListConfig" in remedy and self._is_selection(override):
            remedy = "That file is a list. Write KEY: VALUE in it, without a dash."
        elif _OF_DEFAULTS.match(remedy):
            remedy = self._of_defaults(remedy)
        if override.is_hydra_override() and "Could not override" in str(error):
            self.problems.append(_unknown_to_hydra(override, cfg))
            return
        self.problems.append(Problem(override.get_key_element(), expected, received, remedy))

    def _of_defaults(self, refusal: str) -> str:
        """Returns what Hydra says of a list `defaults`, with what to write in it."""
        options = self._options()
        found = _UNKNOWN.search(refusal)
        group, _, name = ("" if found is None else found[1]).rpartition("/")
        if group in options:
            names = options[group]
            lacking = f"Its `defaults` name {group}/{name}, and {group} has {', '.join(names)}."
            return f"{lacking}{nearest(name, names)}"
        rule = (
            f"Under `defaults` write `- override /GROUP: OPTION`; groups are {', '.join(options)}."
        )
        return f"{refusal.rstrip('.')}.{nearest(name, options)} {rule}"

    def _read(self, text: str) -> Override | None:
        """Returns an override as Hydra's grammar has it; None for what it does not take."""
        try:
            parser = OverridesParser.create(config_loader=self._loader)
            override = parser.parse_overrides([text])[0]
        except (HydraException, ValueError, RecursionError):  # 5,000 digits, 1,000 brackets
            return None
        return override if override.key_or_group else None

    def _parse(self, text: str) -> Iterator[Override]:
        """Yields an override; one that can be read in quotes only is left to the checks of text."""
        read = self._read(text)
        override = read or (self._read(in_quotes(text)) if "=" in text else None)
        if override is None or (read is None and slips.several(text, self._options())):
            self.problems.append(self._no_override(text))
            return
        problem = self._unread(override, text) if read is None else self._unfit(override)
        if problem is None:
            yield override
        else:
            self.problems.append(problem)

    def _unread(self, override: Override, text: str) -> Problem | None:
        """Returns what is wrong with a value that Hydra's grammar takes in quotes only."""
        name, _, typed = text.partition("=")
        key = override.key_or_group
        if typed.startswith("~/"):
            remedy = f'Write "{name}=$HOME{typed[1:]}": within a word the shell leaves ~ as it is.'
            return Problem(key, "text", typed, remedy)
        if takes(key, typed) or override.is_hydra_override():
            special = next((c for c in typed if self._read(f"key=a{c}a") is None), "that")
            received = f"{typed}, and Hydra takes {special} in quotes only"
            return Problem(key, "text", received, f"Write {shlex.quote(in_quotes(text))}.")
        call = wrong_call(text)
        return Problem(key, "a value, or a function of Hydra's", typed, call) if call else None

    def _unfit(self, override: Override) -> Problem | None:
        """Returns what is wrong with a value that Hydra's grammar takes."""
        text, key = str(override.input_line), override.key_or_group
        name, _, typed = text.partition("=")
        sweeps = override.is_sweep_override()
        if mixes(override.value()):
            expected = "values, or one range(), choice(), interval() or glob() alone"
            return Problem(key, expected, typed, "Write all values out: a,b,c.")
        if sweeps and self._mode == RunMode.RUN:
            more = f", or write a list: {name}=[{typed}]" if takes_list(key) else ""
            quoted = shlex.quote(in_quotes(text))
            more = f", or write text: {quoted}" if takes(key, typed) else more
            remedy = f"Add -m on the command line to sweep over the values{more}."
            return Problem(key, "one value", f"several, {typed}", remedy)
        if override.is_hydra_override() and key.endswith((".dir", ".subdir")) and text[-1] == "=":
            return Problem(key, "a folder", "nothing", "Name one, or leave it out.")
        if not sweeps and _is_taken_for_another_type(key, override.value(), typed):
            return _no_text(override)
        return None

    def _no_override(self, text: str) -> Problem:
        expected = "an override: key=value, +key=value, ~key or group=option"
        options = self._options()
        apart = slips.several(text, options)
        remedy = (
            f"Write {shlex.join(apart)}, each an argument of its own."
            if apart
            else slips.remedy(text, self._read, options)
        )
        received = "a syntax error" if "=" in text else "a word alone"
        return Problem(repr(text), expected, received, remedy)

    def _options(self) -> dict[str, list[str]]:
        """Returns the options of each config group, without Hydra's own."""
        repository = self._loader.repository
        groups = repository.get_group_options("", results_filter=ObjectType.GROUP)
        return {group: repository.get_group_options(group) for group in groups if group != "hydra"}

    def _own_folders(self) -> list[Path]:
        """Returns the folders of the user's own configs."""
        sources = self._loader.repository.get_sources()
        return [Path(source.path) for source in sources if source.provider == OF_THE_USER]

    def _is_selection(self, override: Override) -> bool:
        """Tells whether an override picks an option of a config group."""
        sweep = override.is_sweep_override()
        is_group = self._loader.repository.group_exists(override.key_or_group)
        return is_group and (sweep or not isinstance(override.value(), dict))

    def _option_exists(self, override: Override) -> bool:
        if override.is_sweep_override() or override.is_delete():
            return True
        group, value = override.key_or_group, override.value()
        # As the loader's own method, which copies what it knows of the folders at every call.
        options = self._loader.repository.get_group_options(group)
        typed = str(override.input_line).partition("=")[2]
        if typed in options and not isinstance(value, str):  # 2, 1e5, null
            self.problems.append(_no_text(override))
            return False
        expected = f"one of {', '.join(options)}"
        if value is None:
            remedy = f"To leave it out write ~{group}." if group in _MAY_LACK else ""
            self.problems.append(Problem(group, expected, "null", remedy))
            return False
        names = [str(name) for name in (value if isinstance(value, list) else [value])]
        if len(names) > 1 and group in GROUPED:
            remedy = f"To sweep over them, with -m, write {group}={','.join(names)}."
            self.problems.append(Problem(group, "one option", typed, remedy))
            return False
        for name in names:
            if name not in options:
                remedy = slips.misplaced(group, name, self._own_folders())
                if group in GROUPS and name in components.named(group):
                    remedy = f"Its values are missing: write {group}/{name}.yaml in conf/."
                remedy = remedy or nearest(name, options).strip()
                self.problems.append(Problem(group, expected, name or "nothing", remedy))
        return all(name in options for name in names)


def _is_taken_for_another_type(key: str, value: Any, typed: str) -> bool:
    """Tells whether a value was meant as text: 2026, 1e5, true."""
    return not isinstance(value, str | None) and takes(key, typed) and not takes(key, value)


def _no_text(override: Override) -> Problem:
    line = str(override.input_line)
    received = f"{line.partition('=')[2]}, which is no text"
    remedy = f"Write {shlex.quote(in_quotes(line))}."
    return Problem(override.key_or_group, "text", received, remedy)


def _unknown_to_hydra(override: Override, cfg: DictConfig) -> Problem:
    """Returns the problem of a key below `hydra` that is not there."""
    key, expected = override.key_or_group, "a key of the config"
    owners = _launchers(key)
    if owners:
        remedy = "Choose it first, with hydra/launcher=OPTION."
        return Problem(key, expected, f"a key of {' or '.join(owners)}", remedy)
    known = list(_paths(OmegaConf.to_container(cfg.hydra, resolve=False), "hydra."))
    if key in known:  # Hydra changes none of its sections as a whole
        remedy = f"Write +{key}.NAME=VALUE, or ++{override.input_line}."
        return Problem(key, "a value", "a section of keys", remedy)
    section = key.rpartition(".")[0]
    is_open = section in known and not OmegaConf.select(cfg, section)  # hydra.sweeper.params
    meant = f"Write +{override.input_line}." if is_open else nearest_key(key, known).strip()
    return Problem(key, expected, "an unknown key", meant)


def _launchers(key: str) -> list[str]:
    """Returns the launchers of conf/ that have a key, of those below `hydra.launcher`."""
    section, _, name = key.rpartition(".")
    if section != "hydra.launcher":
        return []
    files = sorted((config_folder() / "hydra" / "launcher").glob("*.yaml"))
    line = re.compile(rf"^{re.escape(name)}:", re.MULTILINE)
    return [file.stem for file in files if line.search(file.read_text(encoding="utf-8"))]


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
