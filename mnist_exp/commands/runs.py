"""The runs of the store that this folder uses, as rows, a table or JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.terminal import printable, say, table_console
from mnist_exp.core.text import counted, finite, without_password
from mnist_exp.evaluation.names import (
    FIT_SECONDS,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
)
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.preflight import preflight
from mnist_exp.tracking.read.disk import usage
from mnist_exp.tracking.read.runs import current_experiment, reading, runs_of_sweep
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.recovery import lost, recover, send_again, waiting

if TYPE_CHECKING:
    from rich.table import Table

RESULTS = {
    "sent": "sent",
    "incomplete": "sent without what is gone",
    "damaged": "sent as far as it is whole",
    "waiting": "waits: MLflow does not answer",
    "alive": "left alone: a process works on it",
    "broken": "cannot be read",
    "gone": "forgotten: its folder is gone",
}
TITLES = ("run", "outcome", "data", "model", "val %", "test % (95 %)", "fit s", "age")
DISPENSABLE = ("fit s", "age", "data", "val %", "model", "outcome")  # the first of them first
RIGHT = ("val %", "fit s", "age")
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


class Row(NamedTuple):
    """One run, in the words of the table, by its titles; a value that the run lacks is empty."""

    name: str
    outcome: str
    data: str
    model: str
    validation: str  # accuracy, %
    test: str  # accuracy and its 95 % interval, %
    fit_seconds: str
    age: str


def rows(runs: Iterable[RunRecord], now: datetime | None = None) -> list[Row]:
    """Returns what the table says of each run.

    Args:
        runs: the runs.
        now: the time that ages are counted from; None for the present.
    """
    moment = now or datetime.now(UTC)
    return [_row(run, moment) for run in runs]


def table(rows: Sequence[Row], width: int = 80) -> "Table":
    """Returns a table of rows, with their data where these are not the same.

    Args:
        rows: at least one.
        width: in characters; columns of `DISPENSABLE` are left out until the others fit.
    """
    from rich.table import Table

    columns = dict(zip(TITLES, zip(*rows, strict=True), strict=True))
    if len({*columns["data"]} - {""}) <= 1:
        del columns["data"]
    hidden = []
    for name in DISPENSABLE:
        needed = sum(max(map(len, (title, *texts))) + 2 for title, texts in columns.items()) - 2
        if needed > width and name in columns:
            del columns[name]
            hidden.append(name)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    if hidden:
        table.caption = f"No room for {', '.join(hidden)}; a wider terminal has all."
        table.caption_justify = "left"
    for title in columns:
        table.add_column(title, justify="right" if title in RIGHT else "left", no_wrap=True)
    for texts in zip(*columns.values(), strict=True):
        table.add_row(*texts)
    return table


def newest(limit: int, sweep: str | None = None) -> list[RunRecord]:
    """Returns the newest runs, after what a crash or an outage left behind was put right.

    Tells on stderr how many runs of this folder MLflow does not have.

    Args:
        limit: how many.
        sweep: the name of a sweep, whose runs they are; None for all runs.

    Raises:
        RequestError: the store cannot be used or does not answer, or there is no such sweep.
    """
    try:
        with reading() as experiment:
            if sweep is None:
                return experiment.runs(limit)
            return runs_of_sweep(sweep, experiment)[:limit]
    finally:
        number = waiting(Path.cwd())
        if number:
            text = f"Waiting in outputs/ for `mnist-exp sync`: {counted(number, 'run')}."
            say(text, error=True)


def show(runs: Sequence[RunRecord], *, as_json: bool) -> None:
    """Prints runs to stdout: a table, as wide as it needs where stdout is no terminal, or JSON."""
    if as_json:
        taken = usage(runs, current_experiment().uri, Path.cwd())
        found = [_as_json(run) | {"disk": taken[run.run_id]._asdict()} for run in runs]
        click.echo(json.dumps(found, indent=2))
        return
    if not runs:
        where = without_password(current_experiment().uri)
        say(f"No runs yet in {where}, where those of this folder are kept.")
        say("Make one with `mnist-exp train`.")
        return
    console = table_console()
    console.print(table(rows(runs), console.width))


# What says elsewhere where runs are kept.
_SETTINGS = re.compile(r"(MLFLOW_TRACKING_URI, or of train )?tracking\.uri(, or MLFLOW_\w+,)?")


def sync(to: str | None = None, *, again: bool = False) -> None:
    """Sends what is pending in this folder to MLflow, and prints what became of it.

    Args:
        to: the URI of another store for all of it, from now on; None leaves each run its own.
        again: whether to send runs too that a local store had and has lost.

    Raises:
        RequestError: that store cannot be used.
        ExperimentError: something could not be sent.
    """
    if to is not None:
        try:
            to = resolve(to)
            preflight(to)
        except RequestError as problem:
            raise RequestError(_SETTINGS.sub("--to", str(problem))) from problem
    if again:
        send_again(Path.cwd())
    pending = recover(Path.cwd(), to=to, tell=True)
    if not pending:
        say("Nothing is pending.")
    for run in pending:
        words = (run.problem, "" if run.damage in run.problem else run.damage)
        detail = f" ({'; '.join(filter(None, words))})" if any(words) else ""
        say(f"{run.job_id}  {RESULTS[run.result]}{detail}")
    gone = len(lost(Path.cwd()) if to is None else ())
    if gone:
        say(
            f"The store has lost {counted(gone, 'run')} of this folder: deleted there for good, or "
            "with the store. `mnist-exp sync --again` sends what the journals hold."
        )
    waits = sum(run.result == "waiting" for run in pending)
    damaged = sum(run.result == "broken" or bool(run.damage) for run in pending)
    expected = f"Expected to send {counted(len(pending), 'run')} to MLflow. Received:"
    if damaged:
        more = f", and {counted(waits, 'run')} that could not be sent yet" if waits else ""
        raise ExperimentError(
            f"{expected} {counted(damaged, 'run')} whose record is damaged, as said above{more}. "
            "Restore the file from a copy, or let a run that was cut off go on: `mnist-exp resume "
            "FOLDER`. A run whose folder is moved away is forgotten."
        )
    incomplete = sum(run.result == "incomplete" for run in pending)
    if incomplete:
        raise ExperimentError(
            f"{expected} {counted(incomplete, 'run')} without files that are gone or altered, as "
            "said above; MLflow has the rest, and will not get more. If this project is a copy, "
            "copy it once more; else train such a run again."
        )
    if waits:
        raise ExperimentError(
            f"{expected} {counted(waits, 'run')} that could not be sent; the journals keep "
            "everything. Try `mnist-exp sync` again later, or send to another store: "
            "`mnist-exp sync --to URI`."
        )


def _as_json(run: RunRecord) -> dict[str, Any]:
    """Returns everything that is known of a run; JSON has no number for what is not finite."""
    metrics = {key: finite(value) for key, value in run.metrics.items()}
    return asdict(run) | {"metrics": metrics}


def _row(run: RunRecord, now: datetime) -> Row:
    metrics = run.metrics
    test = _percent(metrics.get(TEST_ACCURACY))
    if test and {TEST_ACCURACY_LOW, TEST_ACCURACY_HIGH} <= metrics.keys():
        low, high = metrics[TEST_ACCURACY_LOW], metrics[TEST_ACCURACY_HIGH]
        test = f"{test} ({_percent(low)}-{_percent(high)})"
    seconds = metrics.get(FIT_SECONDS)
    return Row(
        name=printable(run.name),
        outcome=printable(run.outcome or run.status.lower()),
        data=printable(run.params.get("data.name", "")),
        model=printable(_model(run)),
        validation=_percent(run.validation_accuracy),
        test=test,
        fit_seconds="" if seconds is None else f"{seconds:.1f}",
        age=_age(now.timestamp() - run.start_time / 1000),
    )


def _model(run: RunRecord) -> str:
    """Returns the model, and of an ensemble how many."""
    model = run.tags.get("model") or run.params.get("model.name", "")
    members = run.params.get("ensemble.members", "1")
    return model if members == "1" else f"{members} x {model}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _age(seconds: float) -> str:
    for unit, length in UNITS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
