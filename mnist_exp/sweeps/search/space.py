"""From overrides with several values to what a search explores, or a grid goes through.

Choices stay the texts that they were typed as, so a list, null or a quoted word comes back exactly.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from mnist_exp.config.identity import determines
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.sweeps.search.values import (
    LOG,
    ends,
    is_whole,
    problem,
    texts,
    unknown_option,
    unusable,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SEED = "seed"


@dataclass(frozen=True)
class Space:
    """What a search explores, and what it leaves alone."""

    dimensions: dict[str, "BaseDistribution"]  # key or group, with its + if it has one
    seeds: tuple[str, ...]  # each trial is repeated over them; empty: one run with the config's
    fixed: tuple[str, ...]  # the other overrides, as they were typed

    def texts(self, params: Mapping[str, Any]) -> list[str]:
        """Returns the overrides of a trial, which Hydra reads as exactly these values.

        Args:
            params: a value for each dimension.

        Example:
            >>> space.texts({"model": "cnn", "optimizer.learning_rate": 0.0123})
            ['model=cnn', 'optimizer.learning_rate=0.0123']
        """
        return [f"{key}={params[key]}" for key in self.dimensions]

    def probes(self) -> list[dict[str, Any]]:
        """Returns a few trials that between them have every choice and both ends of all numbers.

        Composed before the search begins, they show most of what the config would refuse later.
        """
        values = {key: _extremes(distribution) for key, distribution in self.dimensions.items()}
        count = max(map(len, values.values()))
        return [{key: some[i % len(some)] for key, some in values.items()} for i in range(count)]

    def record(self) -> dict[str, Any]:
        """Returns the space as JSON can hold it, without overrides that change no result."""
        from optuna.distributions import distribution_to_json

        return {
            "dimensions": {
                key: json.loads(distribution_to_json(distribution))
                for key, distribution in self.dimensions.items()
            },
            "seeds": list(self.seeds),
            "fixed": [text for text in self.fixed if _matters(text)],
        }


def search_space(overrides: Sequence[Override]) -> Space:
    """Returns the space that overrides span.

    The end of `interval` and of `range` is left out, that of `int(interval(...))` is not. The
    order of choices has no meaning, and a choice named twice is one.

    Args:
        overrides: parsed with Hydra's config loader, which knows the options of a group.

    Raises:
        ConfigError: with all that is wrong.
    """
    problems = list(_repeated(overrides))
    dimensions: dict[str, BaseDistribution] = {}
    seeds: tuple[str, ...] = ()
    swept = [override for override in overrides if override.is_sweep_override()]
    for override in swept:
        key = override.get_key_element()
        found = unusable(override) or unknown_option(override)
        if found is None and key == SEED and override.is_interval_sweep():
            found = problem(override, "seeds that can be counted", "Write 'seed=range(0,5)'.")
        if found is not None:
            problems.append(found)
        elif key == SEED:
            # In one order, however they are typed: they count the jobs of a trial.
            seeds = tuple(sorted(texts(override), key=lambda seed: (len(seed), seed)))
        else:
            dimensions[key] = _distribution(override)
    if not problems and all(override.get_key_element() == SEED for override in swept):
        remedy = "Give a key several values, such as model=mlp,cnn, or leave search out."
        problems.append(Problem("-m", "values to search among", "an empty space", remedy))
    if problems:
        raise ConfigError(problems)
    fixed = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
    return Space(dimensions, seeds, fixed)


def check_grid(overrides: Sequence[Override]) -> None:
    """Checks that a grid can go through the values of each override.

    Args:
        overrides: parsed with Hydra's config loader, which knows the options of a group.

    Raises:
        ConfigError: with all that is wrong: some have no values, or an `interval`, which only a
            search can explore.
    """
    problems: list[Problem] = []
    for override in overrides:
        found = unusable(override) if override.is_sweep_override() else None
        if found is None and override.is_interval_sweep():
            remedy = "Add a search, such as search=tpe, or write the values: a,b,c."
            found = problem(override, "values that can be counted", remedy)
        if found is not None:
            problems.append(found)
    if problems:
        raise ConfigError(problems)


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns a line for each thing that sets two spaces apart; none if they are the same.

    Args:
        before: `Space.record()` of the one that was explored.
        now: and of the one that is asked for.
    """
    lines = []
    old, new = before["dimensions"], now["dimensions"]
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            lines.append(f"removed: {key}={_words(old[key])}")
        elif key not in old:
            lines.append(f"added: {key}={_words(new[key])}")
        elif old[key] != new[key]:
            lines.append(f"changed: {key}={_words(old[key])} is now {_words(new[key])}")
    if set(before["seeds"]) != set(now["seeds"]):
        was, is_now = (",".join(record["seeds"]) or "one value" for record in (before, now))
        lines.append(f"changed: {SEED}={was} is now {is_now}")
    lines += [f"removed: {text}" for text in before["fixed"] if text not in now["fixed"]]
    lines += [f"added: {text}" for text in now["fixed"] if text not in before["fixed"]]
    return lines


def _repeated(overrides: Sequence[Override]) -> Iterator[Problem]:
    """Yields a problem for each key that is swept and given once more."""
    given: dict[tuple[str, str | None], list[Override]] = {}
    for override in overrides:
        given.setdefault((override.key_or_group, override.package), []).append(override)
    for same in given.values():
        if len(same) > 1 and any(override.is_sweep_override() for override in same):
            received = " and ".join(str(override.input_line) for override in same)
            yield Problem(same[0].key_or_group, "one override", received, "Leave one out.")


def _distribution(override: Override) -> "BaseDistribution":
    """Returns what a usable override spans."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        low, high, log = sweep.start, sweep.end, LOG in sweep.tags
        if is_whole(sweep):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    if isinstance(sweep, RangeSweep):
        first, last = ends(sweep)
        if is_whole(sweep):
            log, step = LOG in sweep.tags, abs(sweep.step)
            return IntDistribution(int(first), int(last), log=log, step=step)
        return FloatDistribution(float(first), float(last), step=abs(float(sweep.step)))
    return CategoricalDistribution(sorted(texts(override)))


def _extremes(distribution: "BaseDistribution") -> Sequence[Any]:
    """Returns every choice, or the lowest and the highest number."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    return [low, high if distribution.step else math.nextafter(high, low)]


def _words(recorded: Mapping[str, Any]) -> str:
    """Returns the values of a recorded dimension in Hydra's grammar."""
    about = recorded["attributes"]
    if "choices" in about:
        return ",".join(about["choices"])
    low, high, step = about["low"], about["high"], about["step"]
    whole = recorded["name"].startswith("Int")
    if step is not None and not (whole and step == 1):
        stop = Decimal(str(high)) + Decimal(str(step))
        return f"range({low},{stop},{step})"
    words = f"interval({low},{high})"
    words = f"int({words})" if whole else words
    return f"tag({LOG},{words})" if about["log"] else words


def _matters(text: str) -> bool:
    """Tells whether a fixed override can change the result of a trial."""
    section, _, key = text.lstrip("+~").partition("=")[0].partition(".")
    section = section.partition("/")[0]
    return section != "hydra" and determines(f"{section}.{key}")
