"""Digits side by side: the mistakes of a model, and what augmentation does to images.

A grid is one image in one axes, because forty axes would take seconds.
"""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnist_exp.core.digits import SIDE
from mnist_exp.plots.frame import GREY, INK, WIDTH, add_axes, framed

MOST_SHOWN = 40
_COLUMNS = 8
_PITCH_X, _PITCH_Y, _SCALE = 107, 116, 3  # of misclassified digits, in pixels
_ARROW = "\N{RIGHTWARDS ARROW}"


def misclassified(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], probabilities: NDArray[np.float32]
) -> Figure:
    """Draws the mistakes, those that the model was surest of first.

    Args:
        images: uint8 [N, 28, 28], 0-255, all images that were tested.
        labels: uint8 [N].
        probabilities: float32 [N, 10].
    """
    mistakes = most_confident_mistakes(labels, probabilities)
    shown = mistakes[:MOST_SHOWN]
    rows = -(-len(shown) // _COLUMNS)
    figure = framed(
        90 + max(rows * _PITCH_Y, 60),
        misclassified_title(
            len(mistakes), len(labels), are_sure=bool(np.isfinite(probabilities[shown]).all())
        ),
        f"True digit {_ARROW} prediction, and the probability that the model gave it.",
    )
    if not rows:
        figure.text(0.5, 0.25, "Nothing to show.", ha="center", fontsize=11, color=GREY)
        return figure
    axes = add_axes(figure, 22, 10, _COLUMNS * _PITCH_X, rows * _PITCH_Y)
    canvas = np.full((rows * _PITCH_Y, _COLUMNS * _PITCH_X), 255, dtype=np.uint8)
    for place, index in enumerate(shown):
        row, column = divmod(place, _COLUMNS)
        left, top = column * _PITCH_X + (_PITCH_X - SIDE * _SCALE) // 2, row * _PITCH_Y
        _paste(canvas, images[index] / 255, top, left, _SCALE)
        prediction = int(probabilities[index].argmax())
        probability = percent(float(probabilities[index, prediction]))
        axes.text(
            left + SIDE * _SCALE / 2,
            top + SIDE * _SCALE + 13,
            f"{labels[index]} {_ARROW} {prediction}   {probability}",
            ha="center",
            va="center",
            fontsize=9.5,
            color=INK,
        )
    _show(axes, canvas)
    return figure


def most_confident_mistakes(
    labels: NDArray[np.uint8], probabilities: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Returns the indices of all mistakes, by falling probability of the prediction."""
    mistakes = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence = probabilities[mistakes].max(axis=1)
    return mistakes[np.argsort(-confidence, kind="stable")]


def misclassified_title(mistakes: int, total: int, *, are_sure: bool = True) -> str:
    """Returns the finding: how many mistakes there are, and which of them are shown.

    Args:
        mistakes: how many.
        total: images.
        are_sure: whether the probabilities of those that are shown are numbers.
    """
    if mistakes == 0:
        return f"Misclassified digits: none of {total:,}"
    title = f"Misclassified digits: {mistakes:,} of {total:,}"
    if not are_sure:
        return f"{title}, here {min(mistakes, MOST_SHOWN)} of them"
    if mistakes > MOST_SHOWN:
        return f"{title}, here the {MOST_SHOWN} most confident mistakes"
    return title if mistakes == 1 else f"{title}, the most confident first"


def percent(probability: float) -> str:
    """Returns a probability in percent, rounded down: 100.0 is said of certainty alone."""
    if math.isnan(probability):
        return "NaN"
    return f"{math.floor(1000 * probability) / 10:.1f} %"


def augmentation_preview(originals: NDArray[Any], augmented: NDArray[Any]) -> Figure:
    """Draws some training images, each with random versions of it beside it, unless all are equal.

    Args:
        originals: [k, 28, 28] of any dtype, from 0 to any brightest value, ink bright.
        augmented: [k, m, 28, 28] in the same range.
    """
    count, versions = augmented.shape[:2]
    unchanged = np.array_equal(augmented, np.broadcast_to(originals[:, None], augmented.shape))
    if unchanged:
        return _unaugmented(originals)
    title = f"Augmentation: {versions} random versions of {count} training digits"
    subtitle = "Training sees other random versions in every epoch."
    gap, space = 6, 24
    scale = max(1, (WIDTH - 50 - space - gap * versions) // (SIDE * (versions + 1)))
    pitch = SIDE * scale + gap
    canvas = np.full((count * pitch, (versions + 1) * pitch + space), 255, dtype=np.uint8)
    brightest = max(float(originals.max()), 1e-9)
    for row, (original, others) in enumerate(zip(originals, augmented, strict=True)):
        _paste(canvas, original / brightest, row * pitch, 0, scale)
        for column, other in enumerate(others, start=1):
            _paste(canvas, other / brightest, row * pitch, column * pitch + space, scale)
    figure = framed(canvas.shape[0] + 115, title, subtitle)
    axes = add_axes(figure, 25, 10, canvas.shape[1], canvas.shape[0])
    _show(axes, canvas)
    axes.text(0, -8, "Original", fontsize=10, color=INK)
    axes.text(pitch + space, -8, "Augmented", fontsize=10, color=INK)
    return figure


def _unaugmented(originals: NDArray[Any]) -> Figure:
    """Draws training images as they are, in a row."""
    gap = 6
    scale = max(1, min(5, ((WIDTH - 50) // len(originals) - gap) // SIDE))
    pitch = SIDE * scale + gap
    canvas = np.full((SIDE * scale, len(originals) * pitch), 255, dtype=np.uint8)
    for place, original in enumerate(originals):
        _paste(canvas, original / max(float(originals.max()), 1e-9), 0, place * pitch, scale)
    title = "Augmentation: none, training sees the digits as they are"
    subtitle = "Some of them, the same in every epoch."
    figure = framed(canvas.shape[0] + 85, title, subtitle)
    _show(add_axes(figure, 25, 10, canvas.shape[1], canvas.shape[0]), canvas)
    return figure


def _paste(canvas: NDArray[np.uint8], ink: NDArray[Any], top: int, left: int, scale: int) -> None:
    """Writes a digit (ink 0-1) into the canvas, dark on a light tile, enlarged by whole pixels."""
    tile = np.clip(244 * (1 - ink), 0, 244).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    canvas[top : top + len(tile), left : left + len(tile)] = tile


def _show(axes: Axes, canvas: NDArray[np.uint8]) -> None:
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
