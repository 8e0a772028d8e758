"""A comparison as text: for a terminal, for a paper in Markdown, for a spreadsheet in CSV."""

from collections.abc import Iterator, Sequence
from csv import DictWriter
from io import StringIO
from statistics import fmean
from typing import TYPE_CHECKING, Any

from mnist_exp.commands.compare.comparison import ComparedConfig, Comparison
from mnist_exp.commands.compare.groups import differing
from mnist_exp.core.statistics import Summary
from mnist_exp.core.terminal import printable, table_console
from mnist_exp.core.text import (
    counted,
    in_csv,
    in_markdown,
    p_in_words,
    p_value,
    percent,
    short_keys,
    shortened,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 20  # rows on a terminal
_BREAKING = ("run", "verdict")  # into lines; the name of a run only where nothing else gives way
# Numbers, by the names of their columns.
RIGHT = ("#", "seeds", "parameters", "fit s", "p")


def header(comparison: Comparison) -> list[str]:
    """Returns the names of the columns."""
    own = [*short_keys(list(comparison.columns)).values(), *comparison.metrics]
    measures = ("seeds", "val % (95 %)", "test % (95 %)", "parameters", "fit s", "p", "verdict")
    return ["#", "run", *own, *measures]


def cells(comparison: Comparison) -> list[list[str]]:
    """Returns what the table says, row by row, in the order of the header."""
    return [_cells(comparison, place) for place in range(len(comparison.rows))]


def show(comparison: Comparison, console: "Console | None" = None) -> None:
    """Prints a comparison; of a long one the beginning.

    Args:
        comparison: what to print.
        console: where to; None for stdout, as wide as a terminal, or 200 columns where it is none.
    """
    from rich.text import Text

    console = console or table_console()
    names, rows = header(comparison), cells(comparison)[:SHOWN]
    console.print(Text(title(comparison), "bold"))
    layouts = list(_layouts(names, rows))
    fitting = (layout for width, layout in layouts if width <= console.width)
    shown, values = next(fitting, layouts[-1][1])
    console.print(_table(shown, values))
    hidden = [place for place, name in enumerate(names[:-7]) if name not in shown]
    if hidden:
        texts = [" ".join(f"{names[at]}={row[at]}" for at in hidden if row[at]) for row in rows]
        _print_list(console, "Configs", rows, texts)
    if "verdict" not in shown and len(rows) > 1:
        ps = [row.finding.adjusted if row.finding else None for row in comparison.rows]
        verdicts = [
            row[-1] if p is None else f"{row[-1]} ({p_in_words(p)})"
            for row, p in zip(rows, ps, strict=False)
        ]
        _print_list(console, "Against the first", rows[1:], verdicts[1:])
    left = len(comparison.rows) - SHOWN
    if left > 0:
        console.print(f"... and {left} more configs; --csv has all of them.")
    console.print(Text("\n" + "\n".join(map(printable, comparison.notes)), "dim"))


def _print_list(
    console: "Console", heading: str, rows: Sequence[Sequence[str]], texts: Sequence[str]
) -> None:
    """Prints what the table has no room for: a line, or some, for each row."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"\n{heading}:", "bold"))
    lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    lines.add_column(justify="right", min_width=3)
    lines.add_column(overflow="fold")
    for row, text in zip(rows, texts, strict=True):
        lines.add_row(row[0], Text(f"{row[1]}: {text}"))
    console.print(lines)


def markdown(comparison: Comparison) -> str:
    """Returns the whole table and its footnotes."""
    names = header(comparison)
    lines = [names, ["--:" if name in RIGHT else ":--" for name in names]]
    lines += [[in_markdown(cell) for cell in row] for row in cells(comparison)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    parts = [f"**{in_markdown(title(comparison))}**", table, *map(in_markdown, comparison.notes)]
    return "\n\n".join([*parts, *map(in_markdown, comparison.left_out)]) + "\n"


def csv(comparison: Comparison) -> str:
    """Returns a line per config under a line of names; numbers have all their digits.

    Accuracies and differences are 0-1, times in seconds; what a config lacks is empty.
    """
    keys = differing([row.group for row in comparison.rows])
    rows = [_line(row, keys, comparison.metrics) for row in comparison.rows]
    text = StringIO()
    writer = DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: in_csv(value) for key, value in row.items()})
    return text.getvalue()


def title(comparison: Comparison) -> str:
    """Returns what is compared, in a line."""
    configs, runs = len(comparison.rows), sum(len(row.group.runs) for row in comparison.rows)
    return (
        f"{counted(configs, 'config')}, {counted(runs, 'run')}, tested on the "
        f"{comparison.images:,} test images of {printable(comparison.data)}"
    )


def accuracy(summary: Summary | None) -> str:
    """Returns an accuracy in percent with its interval; the deviation over seeds is in the CSV."""
    if summary is None:
        return ""
    return f"{percent(summary.mean)} ({percent(summary.low)}-{percent(summary.high)})"


def p_of(row: ComparedConfig) -> str:
    """Returns the p value of a row, if it has one."""
    p = row.finding.adjusted if row.finding else None
    return "" if p is None else p_value(p)


def _cells(comparison: Comparison, place: int) -> list[str]:
    row = comparison.rows[place]
    texts = [
        str(row.place or ""),
        row.group.runs[0].name,
        *(shortened(values[place]) for values in comparison.columns.values()),
        *means(row, comparison.metrics),
        str(len(row.group.runs)),
        accuracy(row.validation),
        accuracy(row.test),
        "" if row.parameters is None else f"{row.parameters:,}",
        "" if row.fit_seconds is None else f"{row.fit_seconds:,.1f}",
        p_of(row),
        _verdict(row),
    ]
    return [printable(text) for text in texts]


def means(row: ComparedConfig, names: Sequence[str]) -> list[str]:
    """Returns the mean over seeds of each metric, in digits; "" where a run has none."""
    return ["" if mean is None else f"{mean:.4f}" for mean in _means(row, names)]


def _means(row: ComparedConfig, names: Sequence[str]) -> list[float | None]:
    """Returns the mean over seeds of each metric; None where a run has none."""
    found = ([run.metrics.get(name) for run in row.group.runs] for name in names)
    return [
        None if None in values else fmean(value for value in values if value is not None)
        for values in found
    ]


def _verdict(row: ComparedConfig) -> str:
    if row.finding is not None:
        return row.finding.words
    return "best on validation" if row.place else "the first"


def _layouts(
    names: list[str], rows: list[list[str]]
) -> Iterator[tuple[int, tuple[list[str], list[list[str]]]]]:
    """Yields tables with their widths: everything, then less and less of it."""
    from rich.cells import cell_len

    optional = ("parameters", "fit s", "verdict", "p", *names[2:-7])
    dropped: set[str] = set()
    for drop in ("", *optional):
        dropped.add(drop)
        kept = [place for place, name in enumerate(names) if name not in dropped]
        shown = [names[place] for place in kept]
        values = [[row[place] for place in kept] for row in rows]
        lengths = [max(map(cell_len, column)) + 2 for column in zip(shown, *values, strict=True)]
        if "verdict" in shown:  # it may break into lines
            lengths[-1] = min(lengths[-1], 32)
        yield sum(lengths) - 2, (shown, values)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        right = name in RIGHT
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=name not in _BREAKING,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _line(row: ComparedConfig, keys: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    finding = row.finding
    return {
        "place": row.place,
        "run": row.group.runs[0].name,
        "run_ids": " ".join(run.run_id for run in row.group.runs),
        "seeds": " ".join(map(str, row.group.seeds)),
        **{key: row.group.settings.get(key) for key in keys},
        **_columns("val", row.validation),
        **_columns("test", row.test),
        **dict(zip(metrics, _means(row, metrics), strict=True)),
        "parameters": row.parameters,
        "fit_seconds": row.fit_seconds,
        "test_difference": finding.difference if finding else None,
        "test_method": finding.method if finding else None,
        "p": finding.p if finding else None,
        "p_holm": finding.adjusted if finding else None,
        "verdict": _verdict(row),
    }


def _columns(name: str, summary: Summary | None) -> dict[str, float | None]:
    keys = (f"{name}_{key}" for key in ("accuracy", "deviation", "low", "high"))
    return dict(zip(keys, summary or (None,) * 4, strict=True))
