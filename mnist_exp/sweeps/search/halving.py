"""Successive halving by whole trainings: every config a short one, the best of them longer ones.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
AISTATS 2016. Unlike there, what is kept is trained anew: a learning-rate schedule that is cut off
says nothing of where it would have ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.search.sampling import Draws, Params, identity, size
from mnist_exp.sweeps.search.space import Space
from mnist_exp.sweeps.search.trials import Proposal, Trial

EPOCHS = "training.epochs"
_OTHER_ROUNDS = (
    "Expected the rounds that this halving was begun with. Received: other search.trials, "
    "search.reduction, search.min_epochs or training.epochs. Give what they were, or give the new "
    "search a sweep.name of its own."
)


class Halving:
    """Rounds of whole trainings: many short ones, then longer ones of the best, and so on."""

    def __init__(self, settings: Any, space: Space, epochs: int) -> None:
        """Plans the rounds.

        Args:
            settings: with `trials` of the first round, `reduction` (at least 2), `min_epochs` (at
                least 1) and `seed`.
            space: to explore.
            epochs: of the last round.

        Raises:
            ConfigError: the space has the epochs among its dimensions.
        """
        if EPOCHS in space.dimensions:
            remedy = f"Leave {EPOCHS} out, or choose search=tpe or search=random."
            problem = Problem(EPOCHS, "one value, which halving divides", "several", remedy)
            raise ConfigError([problem])
        count = int(min(settings.trials, size(space.dimensions)))
        self.rounds = _rounds(count, settings.reduction, settings.min_epochs, epochs)
        self._draws = Draws(space.dimensions, settings.seed)

    @property
    def total(self) -> int:
        """How many trials all rounds have, if enough of them succeed."""
        return sum(count for count, _ in self.rounds)

    def next(self, trials: Sequence[Trial], room: int) -> list[Proposal]:
        """Returns what is left of the first round that is not over; nothing after the last.

        Args:
            trials: all so far, in any order.
            room: the most to propose, at least 1.

        Raises:
            RequestError: the trials are of other rounds.
        """
        known = {trial.number: trial for trial in trials}
        self._check(known)
        best: list[Params] | None = None
        start = 0
        for count, epochs in self.rounds:
            numbers = range(start, start + count)
            missing = [number for number in numbers if number not in known]
            present = [known[number] for number in numbers if number in known]
            if best is None:
                new = [self._draws[number] for number in missing]
            else:
                there = {identity(trial.params) for trial in present}
                new = [params for params in best[:count] if identity(params) not in there]
            left = [(trial.number, trial.params) for trial in present if trial.outcome is None]
            # A round of fewer than planned, since others failed, leaves its last numbers unused.
            left += zip(missing, new, strict=False)
            if left:
                extra = (f"{EPOCHS}={epochs}",)
                return [Proposal(number, params, extra) for number, params in sorted(left)[:room]]
            best = _ranked(present)
            start += count
        return []

    def _check(self, known: Mapping[int, Trial]) -> None:
        """Refuses trials of other rounds: a number means another thing in them."""
        former: set[Any] | None = None  # the configs of the round before, if all are known
        start = 0
        for count, _ in self.rounds:
            numbers = [number for number in range(start, start + count) if number in known]
            configs = {identity(known[number].params) for number in numbers}
            if len(configs) < len(numbers) or (former is not None and not configs <= former):
                raise RequestError(_OTHER_ROUNDS)
            former = configs if len(numbers) == count else None
            start += count
        if any(number >= start for number in known):
            raise RequestError(_OTHER_ROUNDS)


def _ranked(trials: Sequence[Trial]) -> list[Params]:
    """Returns the configs of the trials that can be compared, the best first."""
    measured = [trial for trial in trials if trial.measured]
    return [trial.params for trial in sorted(measured, key=lambda t: (-(t.value or 0.0), t.number))]


def _rounds(count: int, reduction: int, min_epochs: int, epochs: int) -> list[tuple[int, int]]:
    """Returns (trials, epochs) of each round of halving; the last has all epochs.

    A round of one trial before the last is left out, since it chooses nothing.
    """
    lengths = [epochs]
    while (shorter := lengths[0] // reduction) >= min_epochs:
        lengths.insert(0, shorter)
    counts = [max(1, count // reduction**place) for place in range(len(lengths))]
    rounds = zip(counts, lengths, strict=True)
    return [(count, length) for count, length in rounds if count > 1 or length == epochs]
