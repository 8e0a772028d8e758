"""The runs of the store that this folder uses, as rows, a table or JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mnist_exp.core.terminal import printable, say, table_console
from mnist_exp.core.text import counted, finite, without_password
from mnist_exp.evaluation.names import (
    FIT_SECONDS,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
)
from mnist_exp.tracking.read.disk import usage
from mnist_exp.tracking.read.runs import current_experiment, reading, runs_of_sweep
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync.recovery import waiting

if TYPE_CHECKING:
    from rich.table import Table

TITLES = ("run", "outcome", "data", "model", "val %", "test % (95 %)", "fit s", "age")
DISPENSABLE = ("fit s", "age", "data", "val %", "model", "outcome")  # the first of them first
RIGHT = ("val %", "fit s", "age")
_NAME = 24  # characters: what is longer takes several lines before a column is left out
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
    from rich.cells import cell_len
    from rich.table import Table

    columns = dict(zip(TITLES, zip(*rows, strict=True), strict=True))
    name = TITLES[0]  # which gives way
    if len({*columns["data"]} - {""}) <= 1:
        del columns["data"]
    hidden = []
    for title in DISPENSABLE:
        longest = {title: max(map(cell_len, (title, *texts))) for title, texts in columns.items()}
        longest[name] = min(longest[name], _NAME)
        if sum(longest.values()) + 2 * len(longest) - 2 > width and title in columns:
            del columns[title]
            hidden.append(title)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    if hidden:
        table.caption = f"No room for {', '.join(hidden)}; a wider terminal has all."
        table.caption_justify = "left"
    for title in columns:
        table.add_column(
            title,
            justify="right" if title in RIGHT else "left",
            no_wrap=title != name,
            overflow="fold",
        )
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
        experiment = current_experiment()
        where = without_password(experiment.uri)
        name = experiment.name
        say(f"No runs yet in the experiment {name!r} of {where}, where those of this folder go.")
        say(experiment.advice())
        return
    console = table_console()
    console.print(table(rows(runs), console.width))


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
    return f"{max(0, seconds) // 1:.0f} s"
