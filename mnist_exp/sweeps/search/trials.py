"""The trials of a search, and Optuna's view of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnist_exp.sweeps.search.sampling import Params, new_study
from mnist_exp.sweeps.search.space import Space


@dataclass(frozen=True)
class Trial:
    """One config of a search and what came of it, over all of its seeds."""

    number: int  # from 0
    params: Params
    value: float | None  # of the objective, mean over the seeds; None: not finished
    epochs: dict[int, float]  # epoch, from 1 -> objective, mean over the seeds
    outcome: Literal["finished", "pruned", "failed"] | None  # None: jobs of it are still to run

    @property
    def measured(self) -> bool:
        """Whether it finished with a value that can be compared."""
        return self.outcome == "finished" and self.value is not None and math.isfinite(self.value)


@dataclass(frozen=True)
class Proposal:
    """A trial to run."""

    number: int
    params: Params
    extra: tuple[str, ...]  # overrides beside the params


def study(space: Space, trials: Sequence[Trial]) -> optuna.Study:
    """Returns trials as Optuna knows them, to maximize; open ones are running."""
    known = new_study()
    for trial in sorted(trials, key=lambda trial: trial.number):
        known.add_trial(frozen(space, trial))
    return known


def frozen(space: Space, trial: Trial) -> FrozenTrial:
    """Returns a trial as Optuna has it; its number here is an attribute there."""
    states = {None: TrialState.RUNNING, "pruned": TrialState.PRUNED}
    state = TrialState.COMPLETE if trial.measured else TrialState.FAIL
    return optuna.trial.create_trial(
        state=states.get(trial.outcome, state),
        params=trial.params,
        distributions=space.dimensions,
        value=trial.value if trial.measured else None,
        intermediate_values=trial.epochs,
        user_attrs={"trial": trial.number},
    )
