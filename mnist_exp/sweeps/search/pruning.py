"""Inside a job: is this trial so far behind the others that it stops now?

Optuna's pruners decide. What they know of the other trials is told to them again from plain values,
which travel to the process or machine of the job.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from mnist_exp.sweeps.search.sampling import new_study
from mnist_exp.sweeps.search.trials import Trial

STARTUP = 5  # finished trials, before their median says something; as Optuna has it
REDUCTION = 3  # of Hyperband's rungs, as Optuna has it


@dataclass(frozen=True)
class Peers:
    """The trials that one is measured against."""

    pruner: Literal["median", "hyperband"]
    trials: tuple[Trial, ...]  # finished, pruned and failed before this one began, in any order
    number: int  # of this trial
    epochs: int  # of a full training, at least 1
    warmup_epochs: int  # that every trial may train, at least 0


class Contest:
    """A trial among its peers, in Optuna's study of them."""

    def __init__(self, peers: Peers) -> None:
        """Tells a study of the peers.

        Args:
            peers: of the trial.
        """
        self._peers = peers
        self._reports: list[tuple[int, float]] = []  # (epoch, objective)
        self._is_behind = False
        self._trial = self._replayed()

    def stops(self, values: Mapping[int, float]) -> bool:
        """Tells whether the trial is to be cut off.

        Never after its last epoch, when it has a result. The answer depends on the values alone,
        whether it was asked for after each epoch or not.

        Args:
            values: epoch, from 1 -> objective of the trial so far, in full: also those from before
                it was resumed.
        """
        if not values or max(values) >= self._peers.epochs:
            return False
        reports = sorted(values.items())
        if self._reports != reports[: len(self._reports)]:
            self._reports = []  # asked about other values than before: a clean slate
            self._trial = self._replayed()
        for epoch, value in reports[len(self._reports) :]:
            self._trial.report(value, epoch)
            self._is_behind = self._trial.should_prune()
        self._reports = reports
        return self._is_behind

    def _replayed(self) -> optuna.Trial:
        """Tells a new study of all trials, in order, as if it had seen them run."""
        peers = self._peers
        study = new_study(
            # Hyperband spreads the trials over its brackets by this name and their numbers.
            study_name="search",
            sampler=RandomSampler(seed=0),  # nothing is sampled; this one costs least
            pruner=PRUNERS[peers.pruner](peers),
        )
        known = {trial.number: trial for trial in peers.trials if trial.number != peers.number}
        asked: list[optuna.Trial] = []
        for number in range(max([peers.number, *known]) + 1):
            asked.append(study.ask())
            if number in known:
                _tell(study, asked[number], known[number], rungs=peers.pruner == "hyperband")
            elif number != peers.number:
                study.tell(asked[number], state=TrialState.FAIL)
        return asked[peers.number]


def _median(peers: Peers) -> BasePruner:
    return MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=peers.warmup_epochs)


def _hyperband(peers: Peers) -> BasePruner:
    shortest = min(max(peers.warmup_epochs, 1), peers.epochs)
    return HyperbandPruner(shortest, peers.epochs, REDUCTION)


# The name in the config -> Optuna's pruner.
PRUNERS: dict[str, Callable[[Peers], BasePruner]] = {"median": _median, "hyperband": _hyperband}


def _tell(study: optuna.Study, asked: optuna.Trial, trial: Trial, *, rungs: bool) -> None:
    """Reports a peer's epochs and its end.

    Args:
        study: that the peer is told to.
        asked: its place there.
        trial: the peer.
        rungs: whether the pruner notes what it compared, which it does when it is asked. That the
            peer trained on, whatever the answer, is known.
    """
    for epoch, value in sorted(trial.epochs.items()):
        asked.report(value, epoch)
        if rungs:
            asked.should_prune()
    if trial.measured:
        study.tell(asked, trial.value)
    else:
        study.tell(asked, state=TrialState.PRUNED if trial.outcome == "pruned" else TrialState.FAIL)
