"""What was found in images: where the digits are, and what the model saw of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mnist_exp.inference import Digit, Reading
from mnist_exp.plots.frame import BLUE, GREY, INK, ORANGE, WIDTH, add_axes, framed

MOST_DIGITS = 12  # of an image
_ROW, _GAP = 200, 34  # pixels
_PICTURE = 330
_COLUMNS, _TILE, _PITCH_X, _PITCH_Y = 6, 56, 84, 100

Read = tuple[str, NDArray[np.float32], Reading]  # name, float32 [H, W] 0 black to 1 white, reading


def readings(images: Sequence[Read], model: str, *, left_out: int = 0) -> Figure:
    """Draws images with the digits that were found in them.

    Args:
        images: each with its name and its reading.
        model: the name of what read them.
        left_out: how many more were read, and are not drawn.
    """
    found = sum(len(reading.digits) for _, _, reading in images)
    more = f" {left_out:,} more images are not shown." if left_out else ""
    height = len(images) * (_ROW + _GAP)
    figure = framed(
        height + 80,
        f"{found:,} digit{'s' * (found != 1)} in {len(images):,} image{'s' * (len(images) != 1)}",
        f"Read by {model}. Right: what the model saw. Orange: unsure.{more}",
    )
    for row, (name, grey, reading) in enumerate(images):
        top = 80 + row * (_ROW + _GAP)
        bottom = height + 80 - top - _ROW
        axes = add_axes(figure, 25, bottom, _PICTURE, _ROW)
        _draw_picture(axes, grey, reading)
        axes.set_title(_short(name), fontsize=10, color=INK, loc="left", pad=5, parse_math=False)
        left = 25 + _PICTURE + 30
        _draw_digits(add_axes(figure, left, bottom, WIDTH - left - 20, _ROW), reading)
    return figure


def _draw_picture(axes: Axes, grey: NDArray[np.float32], reading: Reading) -> None:
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    axes.set_anchor("NW")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    for digit in reading.digits:
        box, colour = digit.box, _colour(digit)
        axes.add_patch(
            Rectangle((box.left, box.top), box.width, box.height, fill=False, ec=colour, lw=1.5)
        )


def _draw_digits(axes: Axes, reading: Reading) -> None:
    width, height = _COLUMNS * _PITCH_X, 2 * _PITCH_Y
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.set_anchor("NW")
    if not reading.digits:
        axes.text(0, 20, "Nothing drawn.", fontsize=11, color=GREY)
    for place, digit in enumerate(reading.digits[:MOST_DIGITS]):
        row, column = divmod(place, _COLUMNS)
        left, top = column * _PITCH_X, row * _PITCH_Y
        extent = (left, left + _TILE, top + _TILE, top)
        seen: Any = 255 - digit.pixels
        axes.imshow(seen, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
        words = f"{digit.value}  {digit.confidence:.0%}" if digit.sure else _unsure(digit)
        axes.text(
            left + _TILE / 2,
            top + _TILE + 14,
            words,
            ha="center",
            fontsize=10,
            color=_colour(digit),
        )
    axes.set(xlim=(0, width), ylim=(height, 0))
    more = len(reading.digits) - MOST_DIGITS
    if more > 0:
        axes.text(width, height - 12, f"and {more} more", ha="right", fontsize=10, color=GREY)


def _unsure(digit: Digit) -> str:
    first, second = digit.alternatives
    return f"{first} or {second}?"


def _colour(digit: Digit) -> str:
    return BLUE if digit.sure else ORANGE


def _short(name: str, most: int = 48) -> str:
    return name if len(name) <= most else f"...{name[-most + 3 :]}"
