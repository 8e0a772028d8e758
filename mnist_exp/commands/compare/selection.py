"""Which runs are compared, and which are left out and why: what was asked for, or everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mnist_exp.commands.compare.groups import seed_of
from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.terminal import printable
from mnist_exp.core.text import few, without_password
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import DATA_TAG
from mnist_exp.tracking.read.evidence import Evidence, EvidenceError, Predictions
from mnist_exp.tracking.read.experiment import Experiment, best_of
from mnist_exp.tracking.read.readable import trouble
from mnist_exp.tracking.read.runs import reading, runs_of_sweep
from mnist_exp.tracking.read.selection import select
from mnist_exp.tracking.records import RunRecord

_MEMBER = "trained for an ensemble: compared where named"


@dataclass
class Choice:
    """Runs that can be compared with each other: finished, and tested on the same images."""

    store: Store
    runs: list[RunRecord]
    left_out: list[str] = field(default_factory=list)  # a line for each reason
    predictions: dict[str, Predictions] = field(default_factory=dict)  # run id -> of the test
    complete: bool = True  # whether every run that was named is among them
    named: bool = False  # whether runs were named, in whose order they are
    swept: bool = False  # whether they are those of sweeps, and no others


def choose(
    selectors: Sequence[str] = (),
    sweeps: Sequence[str] = (),
    data: str | None = None,
    from_seed: int = 0,
) -> Choice:
    """Returns the runs to compare, the newest first, or in the order in which they are named.

    They are on the same data: those of the first run that is named, else of the best run.

    Args:
        selectors: what names the runs; none means every run of the experiment.
        sweeps: the names of sweeps, whose runs are added.
        data: the name of the data that the runs have to be on; None for any.
        from_seed: the lowest seed of the runs; those without a seed have -1.

    Raises:
        RequestError: nothing is left to compare, or there is no such sweep, or no run on such data.
    """
    with reading() as experiment:
        choice = Choice(
            experiment.store, [], named=bool(selectors), swept=bool(sweeps) and not selectors
        )
        named = _named(selectors, experiment, choice)
        choice.runs += named
        for sweep in sweeps:
            choice.runs += runs_of_sweep(sweep, experiment)
        if not selectors and not sweeps:
            choice.runs += experiment.runs()
    if not selectors and not sweeps:
        _drop(choice, {run.run_id: _MEMBER for run in choice.runs if run.is_member})
    choice.runs = list({run.run_id: run for run in choice.runs}.values())
    _drop(choice, {run.run_id: _unusable(run) for run in choice.runs})
    if from_seed:
        old = f"with a seed below {from_seed}"
        _drop(choice, {run.run_id: old for run in choice.runs if seed_of(run) < from_seed})
    leading = _leading(choice.runs, data, named=choice.named)
    _drop(choice, _on_other_data(choice.runs, leading))
    _drop(choice, _without_predictions(choice))
    found = {run.run_id for run in choice.runs}
    choice.complete = len(named) == len(selectors) and all(run.run_id in found for run in named)
    if not choice.runs:
        nothing = (
            "Expected at least one run that finished, to compare. Received: none; "
            "`mnist-exp runs` lists the runs."
        )
        unknown = selectors and not named and not sweeps  # which the lines say already
        raise RequestError(*([] if unknown else [nothing]), *choice.left_out)
    return choice


def _named(selectors: Sequence[str], experiment: Experiment, choice: Choice) -> list[RunRecord]:
    found = []
    for selector in selectors:
        try:
            found.append(select(selector, experiment))
        except RequestError as problem:
            choice.left_out.append(str(problem))
    return found


def _unusable(run: RunRecord) -> str:
    if run.job_id is None:
        return "not made by mnist-exp"
    if run.outcome != "finished":
        return run.outcome or run.status.lower()
    return trouble(run)


def _leading(runs: Sequence[RunRecord], data: str | None, *, named: bool) -> RunRecord | None:
    """Returns the run whose data are compared; None where there is no run.

    Args:
        runs: that finished.
        data: the name of the data; None for any.
        named: whether the runs were named: the first of them leads, else the best.

    Raises:
        RequestError: no run is on these data.
    """
    names = sorted({_data(run) for run in runs})
    if data is not None and names and data not in names:
        raise RequestError(
            f"Expected --data to name the data of a run: {', '.join(names)}. Received: {data}."
            f"{nearest(data, names)}"
        )
    fitting = [run for run in runs if data in (None, _data(run))]
    best = None if named else best_of(fitting)  # none is, without validation images
    return best or next(iter(fitting), None)


def _on_other_data(runs: Sequence[RunRecord], leading: RunRecord | None) -> dict[str, str]:
    """Returns run id -> "on other data" and how to compare it, of the runs that are on others."""
    return {
        run.run_id: f"on other data: `mnist-exp compare --data {_data(run)}` compares these"
        if _data(run) != _data(leading)
        else f"on other data ({_data(run)}) of the same name: compared where named first"
        for run in runs
        if leading is not None and run.tags.get(DATA_TAG) != leading.tags.get(DATA_TAG)
    }


def _data(run: RunRecord) -> str:
    """Returns the name of the data that a run is on."""
    return printable(run.params.get("data.name", ""))


def _without_predictions(choice: Choice) -> dict[str, str]:
    """Reads the predictions of all runs; returns run id -> why, where that is not possible."""
    reasons = {}
    labels = None
    for run in choice.runs:
        try:
            found = Evidence(run, choice.store.uri).predictions
        except EvidenceError as problem:
            # Without name and place, so that runs with the same trouble are told of together.
            trouble = str(problem).rstrip(".")
            for own in (f" of run {run.name}", f" in {without_password(run.artifact_uri)}"):
                trouble = trouble.replace(printable(own), "")
            reasons[run.run_id] = f"without predictions that can be used: {trouble}"
            continue
        if labels is None:
            labels = found.labels
        if found.labels.tobytes() != labels.tobytes():
            reasons[run.run_id] = "tested on other images"
        else:
            choice.predictions[run.run_id] = found
    return reasons


def _drop(choice: Choice, reasons: dict[str, str]) -> None:
    """Leaves out the runs that there is a reason for; tells each reason once."""
    by_reason: dict[str, list[str]] = {}
    for run in choice.runs:
        if reasons.get(run.run_id):
            by_reason.setdefault(reasons[run.run_id], []).append(printable(run.name))
    for reason, names in by_reason.items():
        choice.left_out.append(f"Left out: {few(names)}, {reason}.")
    choice.runs = [run for run in choice.runs if not reasons.get(run.run_id)]
