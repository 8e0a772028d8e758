"""What corruptions of the test images look like, and what they do to a model, in one picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnist_exp.evaluation.robustness import Corrupted, Mistake, Robustness
from mnist_exp.plots.frame import GREY, INK, WHITE_FROM, WIDTH, add_axes, framed
from mnist_exp.plots.grids import percent

_SCALE = 2  # of a digit's pixels
_TILE = 28 * _SCALE
_PITCH = _TILE + 6  # from row to row
_NAMES, _FIRST, _STEP, _CELL = 0, 130, 130, 60  # pixels from the left, and widths
_MEAN, _ORIGINAL, _CORRUPTED, _ANSWER = 524, 610, 678, 744
_ARROW = "\N{RIGHTWARDS ARROW}"
# As in the confusion matrix.
_LIGHT, _DARK = np.array([1.0, 0.93, 0.86]), np.array([0.70, 0.26, 0.0])


def robustness(found: Robustness) -> Figure:
    """Draws each corruption at each strength, with the accuracies and the surest mistakes.

    Args:
        found: what was measured.
    """
    rows = sorted(found.corruptions, key=lambda one: one.accuracy)
    height = len(rows) * _PITCH
    figure = framed(
        height + 150,
        robustness_title(found),
        "Accuracy in %, worst first. Right: the surest mistake on a digit recognised when clean.",
    )
    canvas = np.full((height + 30, WIDTH - 50, 3), 255, np.uint8)
    axes = add_axes(figure, 25, 10, canvas.shape[1], canvas.shape[0])
    worst = max(1 - min(min(one.accuracies) for one in rows), 1e-9)
    for row, one in enumerate(rows):
        _draw_row(axes, canvas, one, top=row * _PITCH, worst=worst)
    _write_means(axes, [*found.by_strength, found.accuracy], top=height)
    _write_header(axes, len(found.by_strength))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure


def robustness_title(found: Robustness) -> str:
    """Returns the finding: how much of what is recognised clean is recognised corrupted."""
    return (
        f"Corrupted test images: {100 * found.accuracy:.2f} % recognised, "
        f"clean ones {100 * found.clean.accuracy:.2f} %"
    )


def _draw_row(
    axes: Axes, canvas: NDArray[np.uint8], one: Corrupted, *, top: int, worst: float
) -> None:
    middle = top + _TILE / 2
    axes.text(_NAMES, middle, one.name.replace("_", " "), va="center", fontsize=10.5, color=INK)
    for column, (sample, accuracy) in enumerate(zip(one.samples, one.accuracies, strict=True)):
        left = _FIRST + column * _STEP
        _paste(canvas, sample, top, left)
        _write_cell(axes, canvas, accuracy, top=top, left=left + _TILE, worst=worst)
    _write_cell(axes, canvas, one.accuracy, top=top, left=_MEAN, worst=worst)
    if one.mistake is None:
        axes.text(_ORIGINAL, middle, "no such mistake", va="center", fontsize=9.5, color=GREY)
        return
    _draw_mistake(axes, canvas, one.mistake, top)


def _draw_mistake(axes: Axes, canvas: NDArray[np.uint8], mistake: Mistake, top: int) -> None:
    middle = top + _TILE / 2
    _paste(canvas, mistake.original, top, _ORIGINAL)
    _paste(canvas, mistake.corrupted, top, _CORRUPTED)
    answer = f"{mistake.label} {_ARROW} {mistake.answer}   {percent(mistake.probability)}"
    strength = f"strength {mistake.strength}"
    axes.text(_ANSWER, middle - 10, answer, va="center", fontsize=9.5, color=INK)
    axes.text(_ANSWER, middle + 10, strength, va="center", fontsize=9.5, color=GREY)


def _write_cell(
    axes: Axes, canvas: NDArray[np.uint8], accuracy: float, *, top: int, left: int, worst: float
) -> None:
    """Writes an accuracy on a ground that is the darker, the nearer it is to the worst."""
    share = (1 - accuracy) / worst
    colour = _LIGHT + (_DARK - _LIGHT) * share if share > 0 else np.ones(3)
    canvas[top : top + _TILE, left : left + _CELL] = np.rint(255 * colour)
    axes.text(
        left + _CELL / 2,
        top + _TILE / 2,
        f"{100 * accuracy:.2f}",
        ha="center",
        va="center",
        fontsize=10.5,
        color="white" if share > WHITE_FROM else INK,
    )


def _write_means(axes: Axes, accuracies: Sequence[float], *, top: int) -> None:
    axes.text(_NAMES, top + 15, "mean", va="center", fontsize=10.5, weight="bold", color=INK)
    for column, accuracy in enumerate(accuracies):
        last = column == len(accuracies) - 1
        left = _MEAN if last else _FIRST + column * _STEP + _TILE
        axes.text(
            left + _CELL / 2,
            top + 15,
            f"{100 * accuracy:.2f}",
            ha="center",
            va="center",
            fontsize=10.5,
            weight="bold",
            color=INK,
        )


def _write_header(axes: Axes, strengths: int) -> None:
    titles = {_FIRST + i * _STEP: f"strength {i + 1}" for i in range(strengths)}
    titles |= {_MEAN + 13: "mean", _ORIGINAL: "clean", _CORRUPTED: "corrupted"}
    for left, text in titles.items():
        axes.text(left, -10, text, fontsize=10, color=GREY)


def _paste(canvas: NDArray[np.uint8], digit: NDArray[np.uint8], top: int, left: int) -> None:
    """Writes a digit into the canvas as the model sees it, enlarged by whole pixels."""
    tile = digit.repeat(_SCALE, 0).repeat(_SCALE, 1)
    canvas[top : top + _TILE, left : left + _TILE] = tile[..., None]
