"""What a sweep is to run, all composed and checked before anything runs."""

import hashlib
import json
import re
import shlex
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hydra.core.override_parser.types import Override

from mnist_exp import data
from mnist_exp.config import sources
from mnist_exp.config.compose import Composed
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.hydra import given_flags
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.record import digest
from mnist_exp.config.schema import Config
from mnist_exp.core.text import without_password
from mnist_exp.data import plausibility
from mnist_exp.runs import source_code
from mnist_exp.runs.command import AS_A_RUN
from mnist_exp.sweeps.search import space as spaces
from mnist_exp.sweeps.search.space import SEED, Space
from mnist_exp.sweeps.task import Assignment

_MOST_PROBLEMS = 20  # after which no further job is looked at
_NAME_DIGITS = 8
_NOTHING_TO_COMPARE = Problem(
    "data.validation_images",
    "some, because a search goes by what is measured on them",
    "0",
    "Hold out images, or leave search out.",
)
# What says how a sweep runs, not what it is.
_NOT_THE_SWEEP = (
    "hydra.",
    "sweep.",
    "tracking",
    "description",
    "data.root",
    "training.device",
    "training.threads",
)


@dataclass(frozen=True)
class Draft:
    """A job without a number: its config is composed once, here, and runs as it is."""

    overrides: tuple[str, ...]
    typed: tuple[str, ...]  # the same, after the flags that were given
    config: Config
    choices: Mapping[str, str]  # config group -> chosen option
    assignment: Assignment

    @property
    def key(self) -> str:
        """Returns the SHA-256 of what determines the result."""
        return self.assignment.key


@dataclass(frozen=True)
class PlannedJob:
    """A job with its number."""

    number: int
    draft: Draft
    # Its name in outputs/, from when it is to run: a new one, or that of a run to go on with.
    folder: str = ""


class Plan:
    """The jobs of a grid, or the space of a search."""

    def __init__(self, composer: SweepComposer) -> None:
        """Composes and checks everything that can be known now.

        Args:
            composer: of the command line.

        Raises:
            ConfigError: with the problems of all jobs.
            ExperimentError: the data cannot be read.
        """
        self._composer = composer
        self._data: dict[Hashable, tuple[str, int]] = {}  # digest, training images
        self.warnings: list[str] = []  # what is odd about the data
        overrides = composer.overrides
        self.space: Space | None = None
        try:
            if composer.chosen("search"):
                self.space = spaces.search_space(overrides)
                first, *others = self._probes(self.space)
            else:
                spaces.check_grid(overrides)
                first, *others = composer.grid()
        except ConfigError as error:
            raise ConfigError([*self._fixed_problems(), *error.problems]) from None
        jobs = self._checked([first, *others])
        self.config = jobs[0].config
        # Config group -> the options that the jobs choose, of a search those that it may.
        self.choices = {
            group: ", ".join(
                dict.fromkeys(job.choices[group] for job in jobs if group in job.choices)
            )
            for group in dict.fromkeys(group for job in jobs for group in job.choices)
        }
        self._flags = [*given_flags(composer.hydra), *_as_a_run(composer)]
        common = [
            str(o.input_line)
            for o in overrides
            if not o.is_sweep_override() and o.get_key_element() not in {"sweep.name", "sweep.job"}
        ]
        self.fixed = (*self._flags, *common)
        self.grid: list[Draft] = []
        self.repeated = 0
        self._made_of = ""  # of a search: digest of the data and the configs behind its values
        if self.space is None:
            self._draw_up(jobs)
        else:
            keys = [self._draft(job, ()).key for job in jobs]
            self._made_of = hashlib.sha256("".join(keys).encode()).hexdigest()
        if self.space is not None and self.config.search is None:
            raise AssertionError(overrides)
        self.name = self.config.sweep.name or _digest_name(overrides)

    @cached_property
    def record(self) -> dict[str, Any] | None:
        """What is explored, as the parent run keeps it; None for a grid, which may grow."""
        if self.space is None or self.config.search is None:
            return None
        # How many trials and which are cut off may change from one command to the next.
        excluded = {"trials", "pruner", "warmup_epochs"}
        search = self.config.search.model_dump(mode="json", exclude=excluded)
        if "min_epochs" in search:  # the rounds of halving
            search["epochs"] = self.config.training.epochs
        return {**self.space.record(), "search": search, "made_of": self._made_of}

    @cached_property
    def digest(self) -> str:
        """Returns the SHA-256 of what two commands must have in common to share their jobs."""
        search = self.config.search
        parts = {
            "jobs": [draft.key for draft in self.grid],
            "space": self.record,
            "search": None if search is None else search.model_dump(mode="json"),
            "code": source_code.code().sha256,
            "components": {source.name: source.sha256 for source in sources.loaded()},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def command(self) -> str:
        """What was typed after `mnist-exp train -m`."""
        overrides = [str(override.input_line) for override in self._composer.overrides]
        return without_password(shlex.join([*given_flags(self._composer.hydra), *overrides]))

    def drafts(self, trial: int, params: Mapping[str, Any], extra: Sequence[str]) -> list[Draft]:
        """Returns the jobs of a trial, one for each seed.

        Raises:
            ConfigError: the schema refuses the values.
        """
        assert self.space is not None
        own = [*self.space.texts(params), *extra]
        repeats = [[f"{SEED}={seed}"] for seed in self.space.seeds] or [[]]
        return [
            self._draft(
                self._composer.job((*self.space.fixed, *own, *seed)),
                (*own, *seed),
                trial=trial,
                params=params,
            )
            for seed in repeats
        ]

    def _probes(self, space: Space) -> list[tuple[str, ...]]:
        seeds = [f"{SEED}={seed}" for seed in space.seeds[:1]]
        return [(*space.fixed, *space.texts(params), *seeds) for params in space.probes()]

    def _checked(self, jobs: Iterable[Sequence[str]]) -> list[Composed]:
        composed, problems = [], list(self._composer.problems)
        for overrides in jobs:
            try:
                composed.append(self._composer.job(overrides))
            except ConfigError as error:
                of_sweep = map(self._of_sweep, error.problems)
                problems = list(dict.fromkeys([*problems, *of_sweep]))
            if len(problems) >= _MOST_PROBLEMS:
                break
            held_out = not composed or composed[-1].config.data.validation_images
            if self.space is not None and not held_out:
                problems.append(_NOTHING_TO_COMPARE)
        if problems:
            raise ConfigError(problems)
        return composed

    def _of_sweep(self, problem: Problem) -> Problem:
        """Returns what is wrong with one job as what is wrong with the values of the sweep."""
        section = problem.key.partition(".")[0]
        is_whole = problem.expected.startswith("a whole number")
        is_of_another = problem.expected.startswith(f"a key of {section} ")
        for override in filter(Override.is_sweep_override, self._composer.overrides):
            key, typed = override.key_or_group, str(override.input_line).partition("=")[2]
            if is_whole and key == problem.key and override.is_interval_sweep():
                whole = re.sub(r"interval\([^()]*\)", r"int(\g<0>)", typed)
                return replace(problem, received=typed, remedy=f"Write '{problem.key}={whole}'.")
            if is_of_another and key == section:
                remedy = f"Sweep over those options of {section} alone that have this key."
                return replace(problem, remedy=remedy)
        return problem

    def _fixed_problems(self) -> list[Problem]:
        """Returns what else is wrong where no job can be composed."""
        problems = list(self._composer.problems)
        overrides = self._composer.overrides
        swept = [o for o in overrides if o.is_sweep_override()]
        if all("." in o.get_key_element() or o.get_key_element() == SEED for o in swept):
            # Without a group among them, the other overrides are the same in every job.
            fixed = [str(o.input_line) for o in overrides if o not in swept]
            try:
                self._composer.job(fixed)
            except ConfigError as error:
                problems += error.problems
        return problems

    def _draw_up(self, jobs: Iterable[Composed]) -> None:
        # Of a key that is given twice, Hydra's grid has the last.
        last = {override.get_key_element(): override for override in self._composer.overrides}
        swept = [override.is_sweep_override() for override in last.values()]
        seen: set[str] = set()
        for job in jobs:
            own = tuple(text for text, own in zip(job.overrides, swept, strict=True) if own)
            draft = self._draft(job, own)
            if draft.key in seen:
                self.repeated += 1
            else:
                seen.add(draft.key)
                self.grid.append(draft)

    def _draft(
        self,
        job: Composed,
        own: tuple[str, ...],
        *,
        trial: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Draft:
        of_data = self._data_digest(job.config)
        key = hashlib.sha256((digest(job.config) + of_data).encode()).hexdigest()
        typed = (*self._flags, *job.overrides)
        assignment = Assignment(key, own, of_data, trial, params)
        return Draft(job.overrides, typed, job.config, job.choices, assignment)

    def _data_digest(self, config: Config) -> str:
        """Returns the digest of a job's data, which are read, and fetched if need be, once.

        Raises:
            RequestError: the data are not in the right form, or too few for the job.
        """
        options = config.data.options()
        place = tuple((k, v) for k, v in options.items() if k not in data.DIVISION)
        if (config.data.name, place) not in self._data:
            splits = data.load(config.data.name, seed=config.seed, **options)
            self._data[config.data.name, place] = splits.digest, splits.available
            self.warnings += plausibility.warnings(splits)
        digest_of_data, available = self._data[config.data.name, place]
        data.require_images(
            available,
            validation_images=config.data.validation_images,
            train_images=config.data.train_images,
        )
        return digest_of_data


def _as_a_run(composer: SweepComposer) -> list[str]:
    """Returns what has a job run alone, where a config says that it is a sweep."""
    typed = any(text.startswith("hydra.mode=") for text in composer.for_hydra)
    return [AS_A_RUN] if composer.hydra.get("mode") == "MULTIRUN" and not typed else []


def _digest_name(overrides: Sequence[Override]) -> str:
    """Returns the name of a sweep that was given none."""
    texts = sorted(
        str(override.input_line)
        for override in overrides
        if not override.get_key_element().lstrip("+~").startswith(_NOT_THE_SWEEP)
        and override.get_key_element() != "search.trials"
    )
    return f"sweep-{hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:_NAME_DIGITS]}"
