"""From what a user types for a run to the run: an id, the start of one, a name, or a word.

`best` looks at validation accuracy alone, never at the test set. `latest` and `best` pass over the
members of ensembles, which are parts of another run; a member is meant by its name or id.
"""

import shlex

from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.text import few, without_password
from mnist_exp.evaluation.names import VAL_ACCURACY
from mnist_exp.tracking.mlflow.store import CHAMPION, REGISTERED_MODEL
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.records import RunRecord

SELECTORS = ("latest", "best", f"@{CHAMPION}")
_SHOWN = 10
_ID_CHARACTERS = 8


def select(selector: str, experiment: Experiment) -> RunRecord:
    """Returns the run that a selector names.

    Args:
        selector: A run id, the unique start of one, a run name, `latest`, `best` or `@champion`.
        experiment: Whose runs are chosen from.

    Raises:
        RequestError: No run, or more than one, is meant.
        Exception: What the store raises when it is out of reach.
    """
    words = {"latest": experiment.latest, "best": experiment.best}
    if selector in words:
        found = words[selector]()
    elif selector == f"@{CHAMPION}":
        found = _champion(experiment)
    else:
        found = _named(selector, experiment)
    if found is not None:
        return found
    if not experiment.runs(1):
        raise RequestError(
            f"Expected a run to choose with {selector!r}. Received: the experiment "
            f"{experiment.name!r} of {without_password(experiment.uri)}, which has none. "
            f"{experiment.advice()}"
        )
    raise RequestError(_no_best(experiment) if selector == "best" else _none(selector, experiment))


def _no_best(experiment: Experiment) -> str:
    received = "none. Train one with data.validation_images above 0, or name a run."
    runs = experiment.runs()
    if not any(run.status == "FINISHED" for run in runs):
        names = [run.name for run in runs]
        received = (
            f"only runs that did not finish: {few(names)}. Finish one with `mnist-exp resume "
            f"{names[0]}`, or name it."
        )
    return f"Expected a finished run with {VAL_ACCURACY} for 'best'. Received: {received}"


def _none(selector: str, experiment: Experiment) -> str:
    if selector in experiment.sweeps():
        return (
            f"Expected a run. Received: {selector!r}, which is a sweep. `mnist-exp compare --sweep "
            f"{shlex.quote(selector)}` lists its runs."
        )
    return (
        "Expected a run id or its start, a run name, latest, best or @champion. Received: "
        f"{selector!r}.{nearest(selector, [*experiment.names(), *SELECTORS])} `mnist-exp runs` "
        "lists the runs."
    )


def _champion(experiment: Experiment) -> RunRecord | None:
    """Returns the champion's run; None where the experiment has no runs at all."""
    champion = experiment.champion()
    if champion is None:
        if not experiment.runs(1):
            return None
        raise RequestError(
            f"Expected a champion of the registered model {REGISTERED_MODEL!r}. Received: none. "
            "`mnist-exp promote RUN` makes one."
        )
    run = None if champion.run_id is None else experiment.get(champion.run_id)
    if run is None:
        received = f"the run {champion.run_id}, which is deleted or in another one"
        if champion.run_id is None:
            received = f"version {champion.number} of the registered model, which is of no run"
        raise RequestError(
            f"Expected the champion in the experiment {experiment.name!r}. Received: {received}. "
            "`mnist-exp promote RUN` makes another."
        )
    return run


def _named(selector: str, experiment: Experiment) -> RunRecord | None:
    """Returns the run of an id, else of a name, else of the start of an id; None for none."""
    of_id = experiment.with_id(selector)
    found = [run for run in of_id if run.run_id == selector] or experiment.called(selector) or of_id
    if len(found) > 1:
        shown = ", ".join(f"{run.run_id[:_ID_CHARACTERS]} ({run.name})" for run in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise RequestError(
            f"Expected one run. Received: {selector!r}, which means {len(found)}: {shown}{more}. "
            "Give more of the run id."
        )
    return next(iter(found), None)
