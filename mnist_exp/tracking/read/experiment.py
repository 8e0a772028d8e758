"""The runs of one experiment, read from a local store's file or asked of any other store.

Nothing is remembered from one command to the next. Of a server no more is asked than what is
wanted, filtered and in order.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from mnist_exp.core.statistics import wilson_interval
from mnist_exp.core.text import few
from mnist_exp.evaluation.names import CHOSEN_VAL_ACCURACY, VAL_ACCURACY
from mnist_exp.tracking.mlflow import database, registry
from mnist_exp.tracking.mlflow.location import sqlite_path
from mnist_exp.tracking.mlflow.registry import Version
from mnist_exp.tracking.mlflow.store import RUNS_A_PAGE, Store, quoted
from mnist_exp.tracking.names import (
    DONE,
    ENSEMBLE_TAG,
    OUTCOME_TAG,
    SPACE_TAG,
    SWEEP_TAG,
    VALIDATION_IMAGES,
)
from mnist_exp.tracking.read.readable import trouble
from mnist_exp.tracking.records import RunRecord

_SPARE = 50  # more runs to ask for, as parents of sweeps and parts of ensembles are passed over
_NAMES = 500  # that a server is asked for, to find the one nearest to a misspelt one


class Experiment:
    """The runs that are not deleted, newest first. All raise what the store raises."""

    def __init__(self, uri: str, name: str) -> None:
        """Reads nothing yet.

        Args:
            uri: a tracking URI as `location.resolve` returns it.
            name: of MLflow's experiment.
        """
        self.uri = uri
        self.name = name
        self.store = Store(uri, name)
        self._file = sqlite_path(uri)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Returns the newest runs, without the parents of sweeps; all where there is no limit."""
        if self._file is not None:
            return database.search(self._file, self.name, database.without(SPACE_TAG), limit=limit)
        return list(islice(self._asked("", limit), limit))

    def latest(self) -> RunRecord | None:
        """Returns the newest run that is no part of another; of parts alone the newest."""
        if self._file is not None:
            conditions = database.without(SPACE_TAG), database.without(ENSEMBLE_TAG)
            found = database.search(self._file, self.name, *conditions, limit=1)
            return next(iter(found or self.runs(1)), None)
        newest = None
        for run in self._asked("", 1):
            if not run.is_member:
                return run
            newest = newest or run
        return newest

    def best(self) -> RunRecord | None:
        """Returns what `best_of` does of all runs."""
        if self._file is None:
            return best_of(self._promising())
        keys = CHOSEN_VAL_ACCURACY, VAL_ACCURACY, VALIDATION_IMAGES, OUTCOME_TAG, ENSEMBLE_TAG
        known = database.search(self._file, self.name, database.without(SPACE_TAG), keys=keys)
        found = best_of(known)
        return None if found is None else self.get(found.run_id)

    def get(self, run_id: str) -> RunRecord | None:
        """Returns a run by its id; None where there is none."""
        return next((run for run in self.with_id(run_id) if run.run_id == run_id), None)

    def with_id(self, start: str) -> list[RunRecord]:
        """Returns the runs whose id begins so."""
        if not start or not set(start) <= set("0123456789abcdef"):
            return []
        if self._file is not None:
            return self._local(database.beginning(start))
        return list(self._asked(f"attributes.run_id LIKE '{start}%'"))

    def called(self, name: str) -> list[RunRecord]:
        """Returns the runs of a name."""
        if self._file is not None:
            return self._local(database.called(name))
        return list(self._asked(f"attributes.run_name = {quoted(name)}"))

    def tagged(self, tag: str, value: str) -> list[RunRecord]:
        """Returns the runs with a tag of this value, and with them the parents of sweeps."""
        if self._file is not None:
            return database.search(self._file, self.name, database.tagged(tag, value))
        return list(self.store.search(f"tags.`{tag}` = {quoted(value)}"))

    def names(self, *, finished: bool = True) -> list[str]:
        """Returns the names of runs; of a server those of the newest.

        Args:
            finished: whether runs that need no resuming are among them.
        """
        if self._file is not None:
            keys = () if finished else (OUTCOME_TAG,)
            runs = database.search(self._file, self.name, database.without(SPACE_TAG), keys=keys)
        else:
            runs = list(islice(self._asked("", _NAMES), _NAMES))
        return [run.name for run in runs if finished or run.outcome not in DONE]

    def sweeps(self) -> list[str]:
        """Returns the names of the sweeps, in their order; of a server those of the newest runs."""
        if self._file is not None:
            wanted = database.having(SWEEP_TAG)
            runs = database.search(self._file, self.name, wanted, keys=(SWEEP_TAG,))
        else:
            runs = list(islice(self.store.search(f"tags.`{SWEEP_TAG}` LIKE '%'"), _NAMES))
        return sorted({run.tags[SWEEP_TAG] for run in runs})

    def advice(self) -> str:
        """Returns, where the experiment has no runs, what to do, in a sentence."""
        found = self.store.experiments() if self._file is None else database.experiments(self._file)
        deleted = next((key for key, name, gone, _ in found if gone and name == self.name), None)
        if deleted is not None:
            restore = f"`mlflow experiments restore --experiment-id {deleted}`"
            return f"That experiment was deleted in MLflow: {restore} brings it back."
        others = [name for _, name, gone, has in found if has and not gone and name != self.name]
        where = f" Others are in {few(others)}, which MLFLOW_EXPERIMENT_NAME can name."
        return f"Make one with `mnist-exp train`.{where * bool(others)}"

    def champion(self) -> Version | None:
        """Returns the champion of the registered model; None when there is none."""
        if self._file is not None:
            return database.champion(self._file)
        return registry.champion(self.store)

    def _local(self, condition: database.Condition) -> list[RunRecord]:
        assert self._file is not None
        return database.search(self._file, self.name, database.without(SPACE_TAG), condition)

    def _asked(self, filter_string: str, limit: int | None = None) -> Iterator[RunRecord]:
        """Yields runs of a server without the parents of sweeps, for which no filter is needed."""
        page = None if limit is None else 2 * limit + _SPARE
        found = self.store.search(filter_string, page=page)
        return (run for run in found if not run.is_sweep)

    def _promising(self) -> Iterator[RunRecord]:
        """Yields finished runs of a server: all of a few, of many until none can be the best."""
        reached = 0.0
        for metric in (CHOSEN_VAL_ACCURACY, VAL_ACCURACY):
            order = f"metrics.`{metric}` DESC"
            found = self.store.search("attributes.status = 'FINISHED'", order=order)
            first = list(islice(found, RUNS_A_PAGE))
            if len(first) < RUNS_A_PAGE:
                yield from first
                return
            for run in chain(first, found):
                # The lower end of an interval is below the accuracy itself.
                if metric not in run.metrics or run.metrics[metric] < reached:
                    break
                if _can_be_best(run):
                    reached = max(reached, _least(run))
                    yield run


def best_of(runs: Iterable[RunRecord]) -> RunRecord | None:
    """Returns the run with the best validation accuracy; None where none was validated.

    It goes by the lower end of the interval, so that all of 200 easy images do not count for more
    than nearly all of 5,000. Pruned runs, and parts of ensembles and of sweeps, are passed over.
    """
    able = filter(_can_be_best, runs)
    return max(able, key=lambda run: (_least(run), run.validation_accuracy), default=None)


def least(accuracy: float, images: int) -> float:
    """Returns what `best` goes by: the lower end of the 95 % Wilson interval.

    Args:
        accuracy: On validation, 0-1.
        images: That it was measured on.
    """
    return wilson_interval(round(min(max(accuracy, 0), 1) * images), images).low


def _can_be_best(run: RunRecord) -> bool:
    accuracy = run.validation_accuracy
    return (
        accuracy is not None
        and math.isfinite(accuracy)
        and run.status == "FINISHED"
        and run.outcome != "pruned"
        and not (run.is_member or run.is_sweep)
        and not trouble(run)
    )


def _least(run: RunRecord) -> float:
    known = run.params.get(VALIDATION_IMAGES, "")
    images = max(1, int(known)) if known.isdecimal() else 1  # runs made elsewhere do not tell
    return least(run.validation_accuracy or 0.0, images)
