"""What to try next, from the trials so far: at random, by TPE, or by halving.

A proposal is a function of (`search.seed`, its number, the trials). Nothing is remembered that
could not be rebuilt from them. So a search that was cut off goes on as if it had not been: `random`
and `halving` always; `tpe` where one trial runs at a time. Where several do, what TPE knows when it
chooses depends on which of them ended first, with an interruption or without.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from optuna.samplers import TPESampler

from mnist_exp.sweeps.search.halving import Halving
from mnist_exp.sweeps.search.sampling import Draws, Params, draw, identity, seed_of, size
from mnist_exp.sweeps.search.space import Space
from mnist_exp.sweeps.search.trials import Proposal, Trial, study

__all__ = ["EXPLORERS", "Explorer", "Proposal", "Trial", "study"]

STARTUP = 10  # trials at random, before TPE has enough to learn from; as Optuna has it


class Explorer(Protocol):
    """Chooses trials."""

    @property
    def total(self) -> int:
        """How many trials the whole search has, if none of them fails.

        A space that has fewer configs than `search.trials` is tried once, and no more.
        """

    def next(self, trials: Sequence[Trial], room: int) -> list[Proposal]:
        """Returns what to run next; nothing when the search is over.

        Args:
            trials: all so far, in any order; the open ones come first, their params unchanged.
            room: the most to propose, at least 1.

        Raises:
            RequestError: the trials are not of this search.
        """


class Sampled:
    """One trial after the other."""

    def __init__(
        self, count: int, space: Space, sample: Callable[[int, Sequence[Trial]], Params]
    ) -> None:
        """Proposes nothing yet.

        Args:
            count: the trials to make.
            space: to explore.
            sample: a trial's number, and the trials so far -> its params, different from theirs.
        """
        self._count = count
        self._size = size(space.dimensions)
        self._sample = sample

    @property
    def total(self) -> int:
        """How many trials the whole search has."""
        return int(min(self._count, self._size))

    def next(self, trials: Sequence[Trial], room: int) -> list[Proposal]:
        """Returns the open trials, then new ones; see `Explorer`."""
        known = {trial.number: trial for trial in trials}
        tried = {identity(trial.params) for trial in trials}
        open_ones = [trial for _, trial in sorted(known.items()) if trial.outcome is None]
        proposals = [Proposal(trial.number, trial.params, ()) for trial in open_ones]
        for number in range(self._count):
            if len(proposals) >= room or len(tried) >= self._size:
                break
            if number not in known:
                params = self._sample(number, list(known.values()))
                # Of several at once the later ones know of the earlier ones, as open trials.
                known[number] = Trial(number, params, None, {}, None)
                tried.add(identity(params))
                proposals.append(Proposal(number, params, ()))
        return proposals[:room]


def _random(settings: Any, space: Space, _: int) -> Explorer:
    draws = Draws(space.dimensions, settings.seed)
    return Sampled(settings.trials, space, lambda number, _: draws[number])


def _tpe(settings: Any, space: Space, _: int) -> Explorer:
    def sampler(seed: int) -> TPESampler:
        return TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)

    def sample(number: int, trials: Sequence[Trial]) -> Params:
        tried = {identity(trial.params) for trial in trials}
        known, seed = study(space, trials), seed_of(settings.seed, number)
        return draw(known, space.dimensions, tried, sampler, seed)

    return Sampled(settings.trials, space, sample)


# `search.name` -> what makes the explorer of `search`, a space and `training.epochs`.
EXPLORERS: dict[str, Callable[[Any, Space, int], Explorer]] = {
    "random": _random,
    "tpe": _tpe,
    "halving": Halving,
}
