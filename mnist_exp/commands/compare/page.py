"""A comparison as a web page: one file that needs no network and no scripts.

What a run recorded may come from anybody: the template escapes all of it, a policy in the page
allows nothing but its own styles and images, and figures call the configs by letters.
"""

import secrets
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from mnist_exp.commands.compare import pictures, table
from mnist_exp.commands.compare.comparison import Comparison
from mnist_exp.commands.compare.details import SHOWN, Details, details
from mnist_exp.commands.compare.figures import COLOURS, LETTERS
from mnist_exp.core.errors import RequestError
from mnist_exp.core.statistics import Summary
from mnist_exp.core.terminal import printable
from mnist_exp.core.text import percent, short_keys, shortened
from mnist_exp.tracking.mlflow.store import Store

_TEMPLATE = Path(__file__).with_name("page.html")
_GENERATOR = b'<meta name="generator" content="mnist-exp">'  # as the template has it
_HEAD_BYTES = 1000  # where it stands


def check(file: Path) -> None:
    """Makes sure that a page can be written, before anything is compared.

    Raises:
        RequestError: it cannot, or would take the place of something else than a page.
    """
    try:
        if file.exists() and not file.is_file():
            raise _unwritable(file, "something that is no file")
        if file.exists() and not _can_go(file):
            raise RequestError(
                "Expected --html to name a new file, or a page of an earlier comparison, which is "
                f"replaced. Received: {file}, which is something else. Name another file."
            )
        part = _part(file)
        part.touch(exist_ok=False)
        part.unlink()
    except (OSError, RuntimeError) as problem:  # the latter of links in a circle
        raise _unwritable(file, getattr(problem, "strerror", "") or str(problem)) from problem


def write(comparison: Comparison, store: Store, file: Path) -> None:
    """Writes the page; a file that is there is replaced when the new one is complete.

    Args:
        comparison: with at least one row.
        store: of the runs.
        file: the page; its folder has to exist.

    Raises:
        RequestError: the file cannot be written.
    """
    check(file)
    text = render(comparison, details(comparison, store))
    part = _part(file)
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(file.resolve())
    except OSError as problem:
        raise _unwritable(file, problem.strerror or str(problem)) from problem
    finally:
        part.unlink(missing_ok=True)


def render(comparison: Comparison, found: Details) -> str:
    """Returns the page. The same comparison and details give the same text.

    Args:
        comparison: what is compared.
        found: its details.
    """
    environment = Environment(
        autoescape=True,
        finalize=_legible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=table.title(comparison),
        data=comparison.data,
        images=comparison.images,
        columns=short_keys(list(comparison.columns)),
        metrics=comparison.metrics,
        rows=_rows(comparison),
        notes=comparison.notes,
        left_out=comparison.left_out,
        key=_key(comparison, found),
        letters=LETTERS[: len(found.rows)],
        accuracies=pictures.accuracies(found),
        curves=pictures.curves(found),
        curves_missing=found.curves_missing,
        recall=pictures.recall(found),
        recalls=[[_share(float(share)) for share in one.mean] for one in found.recall],
        confusions=pictures.confusions(found),
        several_seeds=any(len(row.group.runs) > 1 for row in found.rows),
        disagreement=found.disagreement,
        tiles=[pictures.tile(image, found) for image in found.disagreement.images],
        differences=found.differences,
        version=version("mnist-exp"),
    )


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns what the table says of each config."""
    verdicts = [cells[-1] for cells in table.cells(comparison)]
    return [
        {
            "letter": LETTERS[place] if place < SHOWN else "",
            "colour": COLOURS[place] if place < SHOWN else "",
            "place": row.place or "",
            "name": row.group.runs[0].name,
            "values": [shortened(values[place]) for values in comparison.columns.values()],
            "seeds": row.group.seeds,
            "validation": _accuracy(row.validation),
            "test": _accuracy(row.test),
            "metrics": table.means(row, comparison.metrics),
            "difference": _points(row.finding.difference) if row.finding else "",
            "p": table.p_of(row),
            "verdict": verdicts[place],
            "parameters": "" if row.parameters is None else f"{row.parameters:,}",
            "fit_seconds": "" if row.fit_seconds is None else f"{row.fit_seconds:,.1f}",
        }
        for place, row in enumerate(comparison.rows)
    ]


def _key(comparison: Comparison, found: Details) -> list[dict[str, str]]:
    """Returns what each letter of the figures stands for, in no more words than tell them apart."""
    columns = {
        key: [shortened(value) for value in values[: len(found.rows)]]
        for key, values in comparison.columns.items()
    }
    telling = _telling(columns)
    short = short_keys(telling)
    named = telling != ["model"]  # whose options say what they are
    names = {key: f"{short[key]}=" if named else "" for key in telling}
    labels = [
        " ".join(f"{names[key]}{columns[key][place]}" for key in telling if columns[key][place])
        for place in range(len(found.rows))
    ]
    return [
        {"letter": letter, "colour": colour, "label": label or row.group.name}
        for letter, colour, label, row in zip(LETTERS, COLOURS, labels, found.rows, strict=False)
    ]


def _telling(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns a few columns that tell rows apart as all of them do; the model if that does."""
    chosen: list[str] = []
    kinds = 1
    while True:
        told = {
            key: len(set(zip(*(columns[one] for one in (*chosen, key)), strict=True)))
            for key in sorted(columns, key=lambda key: key != "model")
        }
        best = max(told, key=lambda key: told[key], default="")
        if not best or told[best] == kinds:
            return chosen
        chosen.append(best)
        kinds = told[best]


def _accuracy(summary: Summary | None) -> tuple[str, str]:
    """Returns an accuracy and, for a line of its own, its interval."""
    accuracy, _, interval = table.accuracy(summary).rpartition(" (")
    return accuracy, f"({interval}" if interval else ""


def _points(difference: float | None) -> str:
    """Returns a difference of accuracies in percentage points, with its sign; "" of none."""
    if difference is None:
        return ""
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def _share(share: float) -> str:
    return "" if np.isnan(share) else percent(share)


def _legible(value: Any) -> Any:
    """Returns what goes into the page, with characters that it cannot hold escaped."""
    # Only what the template itself wrote is of another type, and is left as it is.
    return printable(value) if type(value) is str else value


def _can_go(file: Path) -> bool:
    """Whether a file is empty or a page that this module wrote."""
    with file.open("rb") as stream:
        start = stream.read(_HEAD_BYTES)
    return not start or _GENERATOR in start


def _part(file: Path) -> Path:
    """Returns a new name beside a file, or beside what it is a link to."""
    return file.resolve().with_name(f".{secrets.token_hex(8)}.part")


def _unwritable(file: Path, reason: str) -> RequestError:
    return RequestError(
        "Expected --html to name a file in a folder that exists and can be written. Received: "
        f"{file} ({reason}). Create the folder, or name another file."
    )
