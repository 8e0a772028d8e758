"""What a sweep found, for people and spreadsheets.

The terminal and Markdown have the ranking, what failed and why, and how to train the winner again;
CSV has every job.
"""

import math
from collections.abc import Iterable, Sequence
from csv import DictWriter
from io import StringIO
from typing import TYPE_CHECKING

from mnist_exp.core.terminal import printable, table_console
from mnist_exp.core.text import counted, finite, in_csv, in_markdown, picked, short_keys, shortened
from mnist_exp.evaluation.names import TEST_ACCURACY, VAL_ACCURACY
from mnist_exp.sweeps.results.exploration import comparable, dimensions, importance
from mnist_exp.sweeps.results.ranking import (
    RankedConfig,
    ranking,
    settings,
    swept_keys,
    usual_seeds,
    winner_command,
)
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.results.wording import (
    AS_GIVEN,
    config_text,
    failures,
    measures,
    ranks,
    shown_keys,
    winner_heading,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.table import Column, Table

_SHOWN = 20  # on a terminal
_SECONDS = "s/run"
_NOTHING = "No job has finished."


def csv(results: Iterable[JobResult]) -> str:
    """Returns one line per job, by number, under a line of names; what a job lacks is empty.

    Numbers have all their digits: accuracies 0-1, times in seconds. A swept key that a job does not
    set has the value of its whole config.
    """
    jobs = sorted(results, key=lambda result: result.number)
    keys = swept_keys(job.overrides for job in jobs)
    text = StringIO()
    lines = [_line(job, keys) for job in jobs]
    names = ("job", "outcome", "run_id", "run_name", "trial", *keys, "seed", "objective")
    names += (VAL_ACCURACY, TEST_ACCURACY, "seconds", "reason")
    writer = DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: in_csv(value) for key, value in line.items()} for line in lines)
    return text.getvalue()


def _line(job: JobResult, keys: Iterable[str]) -> dict[str, object]:
    own = settings(job.overrides)
    return {key: own.get(key, job.params.get(key, "")) for key in keys} | {
        "job": job.number,
        "outcome": job.outcome,
        "run_id": job.run_id,
        "run_name": job.run_name,
        "trial": job.trial,
        "seed": job.seed,
        "objective": finite(job.value),
        VAL_ACCURACY: finite(job.metrics.get(VAL_ACCURACY, math.nan)),
        TEST_ACCURACY: finite(job.metrics.get(TEST_ACCURACY, math.nan)),
        "seconds": job.seconds,
        "reason": job.reason,
    }


def markdown(results: Sequence[JobResult], fixed: Sequence[str]) -> str:
    """Returns the whole ranking, the failures and the winner's command.

    Args:
        results: Every job of the sweep that has ended.
        fixed: The flags and overrides that all of them share, as typed.
    """
    rows = ranking(results)
    ranked = [row for row in rows if row.outcome != "failed"]
    keys = shown_keys(rows)
    heading = f"{rows[0].objective.heading} (95 %)" if rows else ""
    names = ["#", *keys, "seeds", heading, "test %", _SECONDS]
    right = {"#", "seeds", "test %", _SECONDS}
    lines = [_cells(names), _cells("--:" if name in right else ":--" for name in names)]
    for rank, row in zip(ranks(ranked), ranked, strict=True):
        own = settings(row.overrides)
        values = [rank, *(shortened(own.get(key, "")) for key in keys), *measures(row)]
        lines.append(_cells(map(in_markdown, values)))
    command = winner_command(rows, fixed)
    parts = [f"## {winner_heading(rows)}", f"```sh\n{command}\n```"] if command else []
    parts += ["\n".join(lines), in_markdown(_note(ranked))] if ranked else [_NOTHING]
    failed = failures(results, keys)
    if failed:
        items = [f"- {in_markdown(failure)}" for failure in failed]
        parts += [f"## {counted(len(failed), 'job')} failed", "\n".join(items)]
    return "\n\n".join(parts) + "\n"


def _cells(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def show(
    results: Sequence[JobResult], fixed: Sequence[str], console: "Console | None" = None
) -> None:
    """Prints the ranking, the failures and the winner's command; of long lists the beginning.

    Args:
        results: Every job of the sweep that has ended.
        fixed: The flags and overrides that all of them share, as typed.
        console: Where to; None for stdout, as wide as a terminal, or 200 columns where it is none.
    """
    from rich.padding import Padding
    from rich.text import Text

    console = console or table_console(highlight=True)
    rows = ranking(results)
    ranked = [row for row in rows if row.outcome != "failed"]
    keys = shown_keys(rows)
    if ranked:
        console.print(_table(ranked[:_SHOWN], keys, console.width))
        console.print(Text(f"{_left_out(ranked, 'configs')}\n{_note(ranked)}", "dim"))
    else:
        console.print(_NOTHING)
    failed = failures(results, keys)
    if failed:
        console.print(Text(f"\n{counted(len(failed), 'job')} failed:", "bold"))
        for failure in failed[:_SHOWN]:
            console.print(Padding(Text(printable(failure)), (0, 0, 0, 2)))
        console.print(Text(_left_out(failed, "failures"), "dim"), end="")
    command = winner_command(rows, fixed)
    if command:
        console.print(Text(f"\n{winner_heading(rows)}:", "bold"))
        # Not wrapped, so that it can be copied as it stands.
        console.print(Text(f"  {printable(command)}"), soft_wrap=True)


def _note(rows: Sequence[RankedConfig]) -> str:
    objective = rows[0].objective
    places = [place for place in ranks(rows) if place]
    fewest = min((len(row.values) for row in rows[: len(places)]), default=0)
    fewer = " Those with fewer seeds than most stand behind the others."
    return (
        f"Ranked by {objective.words}; test accuracy is shown and chooses nothing."
        f"{picked(len(places), places.count('1'), 'with the first job')}"
        f"{fewer if fewest < usual_seeds(rows) else ''} {objective.intervals}"
    )


def _left_out(everything: Sequence[object], name: str) -> str:
    left = len(everything) - _SHOWN
    return f"... and {left} more {name}, in the sweep's results.csv\n" if left > 0 else ""


def _table(rows: Sequence[RankedConfig], keys: Sequence[str], width: int) -> "Table":
    """Returns the ranking with a column for each key, or, where it is too narrow, one for all."""
    heading = f"{rows[0].objective.short_heading} (95 %)"
    wide = _plain_table([short_keys(keys)[key] for key in keys], heading)
    narrow = _plain_table(["config"], heading)
    for rank, row in zip(ranks(rows), rows, strict=True):
        own = settings(row.overrides)
        _add(wide, [rank, *(shortened(own.get(key, "")) for key in keys), *measures(row)])
        _add(narrow, [rank, config_text(row.overrides, keys) or AS_GIVEN, *measures(row)])
    needed = sum(_longest(column) + 2 for column in wide.columns)
    return wide if keys and needed <= width else narrow


def _plain_table(names: Iterable[str], objective: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    for name in names:
        table.add_column(name, overflow="fold")
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column(objective, no_wrap=True)
    table.add_column("test %", justify="right", no_wrap=True)
    table.add_column(_SECONDS, justify="right", no_wrap=True)
    return table


def _add(table: "Table", cells: Iterable[str]) -> None:
    from rich.text import Text  # without colours

    table.add_row(*map(Text, map(printable, cells)))


def _longest(column: "Column") -> int:
    from rich.cells import cell_len

    return max(cell_len(str(cell)) for cell in (column.header, *column.cells))


def pictures(results: Sequence[JobResult]) -> "dict[str, Figure]":
    """Returns name -> figure, of those that show more than the ranking says."""
    if not comparable(results):
        return {}
    from mnist_exp.sweeps.results import figures

    shares = importance(results)
    drawn = {"best_so_far": figures.best_so_far(results)}
    found = dimensions(results)
    # Words stand in the order of their accuracies: one key of words alone says no more than that.
    if len(found) > 1 or any(dimension.numbers for dimension in found):
        drawn["parallel_coordinates"] = figures.parallel_coordinates(results)
    if shares:
        drawn["importance"] = figures.importance(shares)
    return drawn
