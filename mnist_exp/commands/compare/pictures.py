"""The figures of a comparison as images within a page, each with its description in words."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnist_exp.commands.compare import figures, table
from mnist_exp.commands.compare.details import NONE, Details, Image
from mnist_exp.core.statistics import Summary
from mnist_exp.evaluation.names import TRAIN_ACCURACY, TRAIN_LOSS, VAL_ACCURACY, VAL_LOSS

_TWO = 2
_LEAST_CHANGE = 0.5  # of a mean count, that is worth a word
_NAMED_CHANGES = 3
_TITLES = {
    TRAIN_LOSS: "Training loss (nats)",
    VAL_LOSS: "Validation loss (nats)",
    TRAIN_ACCURACY: "Training error rate (%)",
    VAL_ACCURACY: "Validation error rate (%)",
}


class Picture(NamedTuple):
    """An image within the page."""

    uri: str
    alt: str
    width: int  # in pixels
    height: int


def accuracies(found: Details) -> list[Picture]:
    """Draws validation, where there is some, and test."""
    panels: dict[str, list[Summary | None]] = {
        "Validation accuracy (%)": [row.validation for row in found.rows],
        "Test accuracy (%)": [row.test for row in found.rows],
    }
    seeds = [len(row.group.runs) for row in found.rows]
    ends = [
        _ends(summary, count)
        for summaries in panels.values()
        for summary, count in zip(summaries, seeds, strict=True)
        if summary
    ]
    limits = min(low for low, _ in ends), max(high for _, high in ends)
    return [
        _picture(
            figures.accuracy(title, summaries, limits),
            f"{title} with 95 % intervals: "
            + _listed([table.accuracy(summary) or "none" for summary in summaries]),
        )
        for title, summaries in panels.items()
        if any(summaries)
    ]


def _ends(summary: Summary, seeds: int) -> tuple[float, float]:
    """Returns what the scale has to hold: the interval, but of two seeds no more than is near.

    Theirs is 12.7 times as wide as the two lie apart, and would be all that is seen.
    """
    if seeds != _TWO or not summary.deviation:
        return summary.low, summary.high
    near = 2 * summary.deviation
    return max(summary.low, summary.mean - near), min(summary.high, summary.mean + near)


def curves(found: Details) -> list[Picture]:
    """Draws loss and error rate over the epochs, of training and of validation."""
    pictures = []
    for metric, ones in found.curves.items():
        shown = ones
        if metric.endswith("/accuracy"):  # in which good configs differ more visibly
            shown = [
                one and one._replace(
                    mean=100 * (1 - one.mean), low=100 * (1 - one.high), high=100 * (1 - one.low)
                )
                for one in ones
            ]  # fmt: skip
        last = _listed([f"{one.mean[-1]:.3g}" if one else "none" for one in shown])
        figure = figures.learning_curve(_TITLES[metric], shown)
        pictures.append(_picture(figure, f"{_TITLES[metric]} by epoch, in the last: {last}"))
    return pictures


def recall(found: Details) -> list[Picture]:
    """Draws how much of each digit each config recognises, in two halves."""
    return [
        _picture(
            figures.recall(found.recall, digits),
            f"Recall of the digits {digits[0]} to {digits[-1]} by each config; the numbers are in "
            "the table below",
        )
        for digits in (range(5), range(5, 10))
    ]


def confusions(found: Details) -> list[Picture]:
    """Draws the matrix of each config but the first, minus that of the first."""
    differences = found.confusion[1:] - found.confusion[:1]
    most = max(float(np.abs(differences).max(initial=0)), 1.0)
    first, *others = list(figures.LETTERS[: len(found.rows)])
    return [
        _picture(
            figures.confusion_difference(letter, difference, most),
            f"Confusion matrix of {letter} minus that of {first}: {_largest_changes(difference)}",
        )
        for letter, difference in zip(others, differences, strict=True)
    ]


def tile(image: Image, found: Details) -> dict[str, Any]:
    """Returns a test image, and who takes it for which digit, the true one first."""
    names = found.disagreement.voters or tuple(figures.LETTERS)
    colours = [""] * len(names) if found.disagreement.voters else figures.COLOURS
    votes: dict[int, list[dict[str, str]]] = {image.label: []}
    for digit, place in sorted((digit, place) for place, digit in enumerate(image.digits)):
        if digit == NONE:
            continue
        votes.setdefault(digit, []).append({"name": names[place], "colour": colours[place]})
    uri = ""
    if image.pixels is not None:
        uri = _uri("image/png", figures.digit_png(image.pixels))
    return {"number": image.number, "label": image.label, "votes": votes, "uri": uri}


def _largest_changes(difference: NDArray[np.float64]) -> str:
    """Returns in words which confusions changed most."""
    mistakes = difference * (1 - np.eye(len(difference)))
    order = np.argsort(-np.abs(mistakes), axis=None, kind="stable")[:_NAMED_CHANGES]
    cells = [divmod(int(cell), len(difference)) for cell in order]
    changes = [(*cell, float(mistakes[cell])) for cell in cells]
    words = [
        f"{true} taken for {predicted} {figures.signed(change, decimals=0)}"
        for true, predicted, change in changes
        if abs(change) >= _LEAST_CHANGE
    ]
    return "; ".join(words) or "hardly any change"


def _picture(figure: Figure, alt: str) -> Picture:
    width, height = (round(100 * inches) for inches in figure.get_size_inches())
    return Picture(_uri("image/svg+xml", figures.svg(figure)), alt, width, height)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _listed(texts: Sequence[str]) -> str:
    pairs = zip(figures.LETTERS, texts, strict=False)
    return ", ".join(f"{letter} {text}" for letter, text in pairs)
