"""From what a user types for a run to the run: an id, the start of one, a name, or a word.

`best` looks at validation accuracy alone, never at the test set; at the lower end of its interval,
so that all of 200 easy images do not count for more than nearly all of 5,000. `latest` and `best`
pass over the members of ensembles, which are parts of another run; a member is meant by its name
or id.
"""

import math
from collections.abc import Sequence

from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.statistics import wilson_interval
from mnist_exp.core.text import counted, without_password
from mnist_exp.tracking.index import Index
from mnist_exp.tracking.mlflow.store import CHAMPION, REGISTERED_MODEL
from mnist_exp.tracking.records import RunRecord

VALIDATION_IMAGES = "data.validation_images"
# Of the weights that were kept; pruned runs, and those made elsewhere, have the last epoch's only.
VALIDATION_METRICS = ("chosen/val_accuracy", "val/accuracy")
_SHOWN = 10
_ID_CHARACTERS = 8


def select(selector: str, runs: Sequence[RunRecord], index: Index) -> RunRecord:
    """Returns the run that a selector names.

    Args:
        selector: A run id, the unique start of one, a run name, `latest`, `best` or `@champion`.
        runs: The runs to choose from, newest first.
        index: Where they come from; asked for `@champion` only.

    Raises:
        RequestError: No run, or more than one, is meant.
    """
    if not runs:
        raise RequestError(
            f"Expected a run to choose with {selector!r}. Received: the experiment "
            f"{index.experiment!r} of {without_password(index.uri)}, which has none. Make one with "
            "`mnist-exp train`."
        )
    if selector == "latest":  # members alone are left where an ensemble was deleted
        return next((run for run in runs if not run.is_member), runs[0])
    if selector == "best":
        return _best([run for run in runs if not run.is_member])
    if selector == f"@{CHAMPION}":
        return _champion(runs, index)
    return _named(selector, runs)


def least(accuracy: float, images: int) -> float:
    """Returns what `best` goes by: the lower end of the 95 % Wilson interval.

    Args:
        accuracy: On validation, 0-1.
        images: That it was measured on.
    """
    return wilson_interval(round(min(max(accuracy, 0), 1) * images), images).low


def _best(runs: Sequence[RunRecord]) -> RunRecord:
    measured = [
        run
        for run in runs
        if run.status == "FINISHED" and run.outcome != "pruned" and math.isfinite(_validation(run))
    ]
    if not measured:
        raise RequestError(
            f"Expected a finished run with {VALIDATION_METRICS[-1]} for 'best'. Received: "
            f"{counted(len(runs), 'run')} without. Train one with data.validation_images above 0, "
            "or name a run."
        )
    return max(measured, key=lambda run: (_least(run), _validation(run)))


def _validation(run: RunRecord) -> float:
    known = (run.metrics[name] for name in VALIDATION_METRICS if name in run.metrics)
    return next(known, math.nan)


def _least(run: RunRecord) -> float:
    known = run.params.get(VALIDATION_IMAGES, "")
    images = max(1, int(known)) if known.isdecimal() else 1  # runs made elsewhere do not tell
    return least(_validation(run), images)


def _champion(runs: Sequence[RunRecord], index: Index) -> RunRecord:
    champion = index.champion()
    if champion is None:
        raise RequestError(
            f"Expected a champion of the registered model {REGISTERED_MODEL!r}. Received: none. "
            "`mnist-exp promote RUN` makes one."
        )
    for run in runs:
        if run.run_id == champion.run_id:
            return run
    raise RequestError(
        f"Expected the champion in the experiment {index.experiment!r}. Received: the run "
        f"{champion.run_id}, which is deleted or in another one. `mnist-exp promote RUN` makes "
        "another."
    )


def _named(selector: str, runs: Sequence[RunRecord]) -> RunRecord:
    found = (
        [run for run in runs if run.run_id == selector]
        or [run for run in runs if run.name == selector]
        or [run for run in runs if selector and run.run_id.startswith(selector)]
    )
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{run.run_id[:_ID_CHARACTERS]} ({run.name})" for run in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise RequestError(
            f"Expected one run. Received: {selector!r}, which means {len(found)}: {shown}{more}. "
            "Give more of the run id."
        )
    names = [run.name for run in runs] + ["latest", "best", f"@{CHAMPION}"]
    raise RequestError(
        "Expected a run id or its start, a run name, latest, best or @champion. Received: "
        f"{selector!r}.{nearest(selector, names)} `mnist-exp runs` lists the runs."
    )
