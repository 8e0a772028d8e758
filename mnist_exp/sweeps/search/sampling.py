"""Configs drawn from a space by an Optuna sampler: numbers that are read easily, no config twice.

The same config trained twice gives the same weights, so a second draw of it would measure nothing.
"""

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler

Params = dict[str, Any]  # dimension -> value
ATTEMPTS = 10  # to draw what was not tried yet, before it is looked up
DIGITS = 6  # significant ones, of a number from an interval: more than a search can tell apart


def identity(params: Mapping[str, Any]) -> Hashable:
    """Returns what two equal configs have in common."""
    return tuple(sorted(params.items()))


def size(dimensions: Mapping[str, BaseDistribution]) -> float:
    """Returns the number of different configs; infinite where there is an interval."""
    counts = [_values(distribution) for distribution in dimensions.values()]
    return math.prod(math.inf if values is None else len(values) for values in counts)


def new_study(**options: Any) -> Study:
    """Returns an Optuna study, to maximize, that tells the terminal nothing of its own.

    Args:
        options: of `optuna.create_study`; without a storage it is in memory.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", **options)


def draw(
    study: Study,
    dimensions: Mapping[str, BaseDistribution],
    tried: Collection[Hashable],
    sampler: Callable[[int], BaseSampler],
    seed: int,
) -> Params:
    """Returns a config that was not tried yet.

    Args:
        study: what is known; the draws that were rejected stay in it as running trials.
        dimensions: to draw a value for each of.
        tried: the identities of configs not to draw again; fewer than there are.
        sampler: makes Optuna's sampler from a seed.
        seed: for the sampler.
    """
    study.sampler = sampler(seed)
    # Neither the order on the command line nor that of a record has a say.
    ordered = dict(sorted(dimensions.items()))
    for _ in range(ATTEMPTS):
        drawn = study.ask(ordered).params
        params = {key: _readable(drawn[key], ordered[key]) for key in ordered}
        if identity(params) not in tried:
            return params
    return _untried(ordered, tried, seed) or params


class Draws:
    """Configs at random, no two alike: the n-th is a function of (seed, n) alone."""

    def __init__(self, dimensions: Mapping[str, BaseDistribution], seed: int) -> None:
        """Draws nothing yet."""
        self._dimensions = dimensions
        self._seed = seed
        self._drawn: list[Params] = []

    def __getitem__(self, number: int) -> Params:
        """Returns the config of a number, which all lower ones are drawn before."""
        tried = {identity(params) for params in self._drawn}
        for next_number in range(len(self._drawn), number + 1):
            empty, seed = new_study(), seed_of(self._seed, next_number)
            params = draw(empty, self._dimensions, tried, RandomSampler, seed)
            tried.add(identity(params))
            self._drawn.append(params)
        return self._drawn[number]


def seed_of(seed: int, number: int) -> int:
    """Returns a seed of its own for each trial number."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _untried(
    dimensions: Mapping[str, BaseDistribution], tried: Collection[Hashable], seed: int
) -> Params | None:
    """Returns the first config that was not tried, in the order of a grid from a random point."""
    values = [_values(distribution) for distribution in dimensions.values()]
    axes = [axis for axis in values if axis is not None]
    if len(axes) < len(values):
        return None
    shape = [len(axis) for axis in axes]
    count = math.prod(shape)
    start = int(np.random.default_rng(seed).integers(count))
    for offset in range(min(count, len(tried) + 1)):
        places = np.unravel_index((start + offset) % count, shape)
        config = [axis[int(place)] for axis, place in zip(axes, places, strict=True)]
        params = dict(zip(dimensions, config, strict=True))
        if identity(params) not in tried:
            return params
    return None


def _values(distribution: BaseDistribution) -> Sequence[Any] | None:
    """Returns every value of a distribution, None for an interval."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    if low == high:
        return [low]
    if step is None:
        return None
    count = round((high - low) / step) + 1
    return [_readable(low + index * step, distribution) for index in range(count)]


def _readable(value: Any, distribution: BaseDistribution) -> Any:
    """Returns a number near a drawn one, with few digits and inside the distribution.

    An interval's end is excluded, which Optuna does not promise.
    """
    if not isinstance(distribution, FloatDistribution) or distribution.low == distribution.high:
        return value
    low, high = Decimal(str(distribution.low)), Decimal(str(distribution.high))
    exact = Decimal(str(value))
    if distribution.step is not None:
        step = Decimal(str(distribution.step))
        return float(low + round((exact - low) / step) * step)
    width = high - low
    magnitude = min(abs(exact) or width, width).adjusted()
    unit = Decimal(1).scaleb(magnitude + 1 - DIGITS)
    return float(min(max(exact.quantize(unit, ROUND_FLOOR), low), high - unit))
