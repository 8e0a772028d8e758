"""Which runs are compared, and which are left out and why: what was asked for, or everything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mnist_exp.errors import RequestError, nearest
from mnist_exp.evidence import Evidence, EvidenceError, Predictions
from mnist_exp.lookup import refreshed_index
from mnist_exp.sweeps.membership import SWEEP_TAG
from mnist_exp.tracking import Index, RunRecord, Store, select
from mnist_exp.tracking.attempt import first_line
from mnist_exp.tracking.records import DATA_TAG
from mnist_exp.wording import printable

EXAMPLES = 3  # runs that are named where many are left out for one reason
_MEMBER = "trained for an ensemble: compared where named"


@dataclass
class Choice:
    """Runs that can be compared with each other: finished, and tested on the same images."""

    store: Store
    runs: list[RunRecord]
    left_out: list[str] = field(default_factory=list)  # a line for each reason
    predictions: dict[str, Predictions] = field(default_factory=dict)  # run id -> of the test
    complete: bool = True  # whether every run that was named is among them


def choose(selectors: Sequence[str], sweeps: Sequence[str] = ()) -> Choice:
    """Returns the runs to compare, the newest first, or in the order in which they are named.

    Args:
        selectors: what names the runs; none means every run of the experiment.
        sweeps: the names of sweeps, whose runs are added.

    Raises:
        RequestError: nothing is left to compare, or there is no such sweep.
    """
    index, problem = refreshed_index()
    choice = Choice(index.store, [])
    if problem is not None:
        reason = first_line(problem)
        choice.left_out.append(f"{index.uri} does not answer ({reason}); this is what was known.")
    named = _named(selectors, index, choice) if selectors else []
    choice.runs += named
    for sweep in sweeps:
        choice.runs += _of_sweep(sweep, index)
    if not selectors and not sweeps:
        choice.runs += index.runs()
        _drop(choice, {run.run_id: _MEMBER for run in choice.runs if run.is_member})
    choice.runs = list({run.run_id: run for run in choice.runs}.values())
    _drop(choice, {run.run_id: _unfinished(run) for run in choice.runs})
    _drop(choice, _on_other_data(choice.runs, first=bool(selectors)))
    _drop(choice, _without_predictions(choice))
    found = {run.run_id for run in choice.runs}
    choice.complete = len(named) == len(selectors) and all(run.run_id in found for run in named)
    if not choice.runs:
        nothing = (
            "Expected at least one run that finished, to compare. Received: none; "
            "`mnist-exp runs` lists the runs."
        )
        raise RequestError("\n".join([nothing, *choice.left_out]))
    return choice


def _named(selectors: Sequence[str], index: Index, choice: Choice) -> list[RunRecord]:
    known = index.runs()
    found = []
    for selector in selectors:
        try:
            found.append(select(selector, known, index))
        except RequestError as problem:
            choice.left_out.append(str(problem))
    return found


def _of_sweep(sweep: str, index: Index) -> list[RunRecord]:
    found = [run for run in index.tagged(SWEEP_TAG, sweep) if not run.is_sweep]
    if not found:
        names = sorted({run.tags[SWEEP_TAG] for run in index.runs() if SWEEP_TAG in run.tags})
        known = f" There are {', '.join(names)}." if names else " There is none."
        raise RequestError(
            f"Expected the name of a sweep. Received: {sweep}.{nearest(sweep, names)}{known}"
        )
    return found


def _unfinished(run: RunRecord) -> str:
    if run.job_id is None:
        return "not made by mnist-exp"
    return "" if run.outcome == "finished" else run.outcome or run.status.lower()


def _on_other_data(runs: Iterable[RunRecord], *, first: bool) -> dict[str, str]:
    """Returns run id -> "on other data", of those that are not on the first's or most runs'."""
    digests = [run.tags.get(DATA_TAG, "") for run in runs]
    if not digests:
        return {}
    chosen = digests[0] if first else Counter(digests).most_common(1)[0][0]
    return {
        run.run_id: f"on other data ({run.params.get('data.name')}), whose results say nothing here"
        for run, digest in zip(runs, digests, strict=True)
        if digest != chosen
    }


def _without_predictions(choice: Choice) -> dict[str, str]:
    """Reads the predictions of all runs; returns run id -> why, where that is not possible."""
    reasons = {}
    labels = None
    for run in choice.runs:
        try:
            found = Evidence(run, choice.store.uri).predictions
        except EvidenceError as problem:
            # Without the name, so that runs with the same trouble are told of together.
            trouble = str(problem).replace(f" of run {run.name}", "").rstrip(".")
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
        more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
        choice.left_out.append(f"Left out: {', '.join(names[:EXAMPLES])}{more}, {reason}.")
    choice.runs = [run for run in choice.runs if not reasons.get(run.run_id)]
