"""A search in Optuna's own storage, for its dashboard and its users; written, and never read.

What counts is in the runs. From them the study is made anew by each command.
"""

from collections.abc import Iterable

import optuna

from mnist_exp.core.errors import RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import without_password
from mnist_exp.sweeps.search.sampling import new_study
from mnist_exp.sweeps.search.space import Space
from mnist_exp.sweeps.search.trials import Trial, frozen

_OWN = "mnist-exp"  # the mark: an attribute of studies that may be made anew


class Published:
    """The study of a search, with the trials that have ended, in the order of their ends."""

    def __init__(self, url: str, name: str, space: Space) -> None:
        """Makes the study anew. Where that fails, stderr says so once, and nothing is written.

        Args:
            url: of a database, as Optuna's `RDBStorage` takes it.
            name: of the study.
            space: that is explored.
        """
        self._url = url
        self._space = space
        self._told: set[int] = set()
        self._study: optuna.Study | None = None
        try:
            storage = optuna.storages.RDBStorage(url)
            if name in optuna.get_all_study_names(storage):
                _require_own(optuna.load_study(study_name=name, storage=storage))
                optuna.delete_study(study_name=name, storage=storage)
            self._study = new_study(storage=storage, study_name=name)
            self._study.set_user_attr(_OWN, True)
        except Exception as problem:  # noqa: BLE001 - each database has its own
            self._give_up(problem)

    def tell(self, trials: Iterable[Trial]) -> None:
        """Adds the trials that have ended since."""
        for trial in trials:
            if self._study is None or trial.outcome is None or trial.number in self._told:
                continue
            self._told.add(trial.number)
            try:
                self._study.add_trial(frozen(self._space, trial))
            except Exception as problem:  # noqa: BLE001 - see above
                self._give_up(problem)

    def _give_up(self, problem: Exception) -> None:
        self._study = None
        place = without_password(self._url)
        reason = without_password(reason_of(problem))
        say(f"Warning: Optuna's study is not written to {place}: {reason}", error=True)


def _require_own(study: optuna.Study) -> None:
    if _OWN not in study.user_attrs:
        raise RequestError(
            f"its study {study.study_name} has no mark of mnist-exp, and may be somebody's; choose "
            "another sweep.name, or delete that study"
        )
