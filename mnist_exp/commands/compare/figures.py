"""Figures of a comparison: panels that fit a phone, and stand beside each other on a desk.

Configs are called by letters: their names were written by others, and go where text is escaped.
"""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from mnist_exp.commands.compare.details import Curve, Recall
from mnist_exp.core.statistics import Summary
from mnist_exp.plots.curves import MARKED_EPOCHS, epoch_limits, use_log_scale
from mnist_exp.plots.frame import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WHITE_FROM,
    add_axes,
    plain_numbers,
    style,
)

LETTERS = "ABCDEFGH"
# Okabe and Ito's eight, but grey for their yellow, which is too pale for a line on white.
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, GREY)
_MARKERS = "osD^vPX*"
_WIDTH = 500  # of a panel, in pixels
_DPI = 100
_LEFT = 20  # of titles and legends
_GRID = "#e6e6e6"
_MINUS = "\N{MINUS SIGN}"
_HUNDRED, _THOUSAND, _MANY_THOUSANDS = 99.95, 999.5, 9_950
_LEAST_SHOWN = 0.05  # of a mean count


def svg(figure: Figure) -> bytes:
    """Returns a figure as an SVG file. The same figure gives the same bytes."""
    content = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": "mnist_exp", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata=nothing)
    head, _, body = content.getvalue().partition(b"<svg ")
    return b"<svg " + body if head else body  # the rest names a file in the web


def digit_png(pixels: NDArray[np.uint8]) -> bytes:
    """Returns a digit as a PNG file, dark on a light tile.

    Args:
        pixels: uint8 [28, 28], 0-255, ink bright.
    """
    content = io.BytesIO()
    tile = 244 * (1 - pixels / 255)
    Image.fromarray(tile.astype(np.uint8)).save(content, "PNG", optimize=True)
    return content.getvalue()


def accuracy(
    title: str, summaries: Sequence[Summary | None], limits: tuple[float, float]
) -> Figure:
    """Draws the accuracy of each config with its interval.

    Args:
        title: of the panel.
        summaries: one per config; None for one that was not measured.
        limits: the ends of the scale, 0-1, the same for panels that are read together; all means
            lie between them.
    """
    count = len(summaries)
    figure = _panel(70 + 30 * count)
    axes = add_axes(figure, 40, 35, 380, 30 * count)
    low, high = limits
    margin = 0.04 * (high - low) or 0.01
    axes.set(xlim=(100 * (low - margin), 100 * (high + margin)), ylim=(count - 0.5, -0.5))
    for place, summary in enumerate(summaries):
        if summary is None:
            _write_right(axes, place, "none")
            continue
        mean = 100 * summary.mean
        _draw_interval(axes, place, 100 * summary.low, 100 * summary.high)
        axes.plot(mean, place, color=COLOURS[place], marker=_MARKERS[place], markersize=7)
        _write_right(axes, place, f"{mean:.2f}")
    _finish(axes, title, legend=False)
    axes.set_yticks(range(count), LETTERS[:count])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    return figure


def _draw_interval(axes: Axes, place: int, low: float, high: float) -> None:
    """Draws an interval; an arrow at the end of the scale, where it goes on beyond."""
    left, right = axes.get_xlim()
    shown = max(low, left), min(high, right)
    axes.plot(shown, [place, place], color=COLOURS[place], linewidth=2)
    for end, beyond, marker in ((left, low < left, "<"), (right, high > right, ">")):
        if beyond:
            axes.plot(end, place, color=COLOURS[place], marker=marker, clip_on=False)


def _write_right(axes: Axes, place: int, text: str) -> None:
    across = axes.get_yaxis_transform()
    axes.text(1.03, place, text, transform=across, va="center", fontsize=10.5, color=INK)


def learning_curve(title: str, curves: Sequence[Curve | None]) -> Figure:
    """Draws one metric over the epochs: the mean of the seeds, in a band from least to greatest.

    Where only some of the seeds trained so long, the line is dotted.

    Args:
        title: of the panel.
        curves: one per config; None for one without the metric. At least one is there.
    """
    figure = _panel(325)
    axes = add_axes(figure, 75, 47, 410, 220)
    last = max(int(curve.epochs[-1]) for curve in curves if curve)
    for place, curve in enumerate(curves):
        if curve:
            _draw_curve(axes, place, curve, marked=last <= MARKED_EPOCHS)
    values = [float(value) for curve in curves if curve for value in (*curve.low, *curve.high)]
    if use_log_scale(axes, values):
        title += ", log scale"
    else:
        plain_numbers(axes)
    _finish(axes, title, legend=True)
    axes.set_xlim(*epoch_limits(last))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel("Epoch", color=INK)
    return figure


def _draw_curve(axes: Axes, place: int, curve: Curve, *, marked: bool) -> None:
    colour, marker = COLOURS[place], _MARKERS[place] if marked else ""
    axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
    if len(curve.epochs) == 1:  # a band of no width
        axes.vlines(curve.epochs, curve.low, curve.high, color=colour, alpha=0.3, linewidth=5)
    whole = curve.seeds == curve.seeds.max()
    axes.plot(curve.epochs, curve.mean, color=colour, linestyle=":", linewidth=1.2)
    axes.plot(
        curve.epochs,
        np.where(whole, curve.mean, np.nan),
        color=colour,
        marker=marker,
        markersize=4.5,
        label=LETTERS[place],
    )


def recall(recalls: Sequence[Recall], digits: range) -> Figure:
    """Draws how much of some digits each config recognises, with the range of its seeds.

    Args:
        recalls: one per config.
        digits: those to draw; the scale is that of all ten.
    """
    step = 12  # pixels from config to config
    pitch = step * max(3, len(recalls) + 1)
    figure = _panel(93 + len(digits) * pitch)
    axes = add_axes(figure, 40, 35, 445, len(digits) * pitch)
    for place, one in enumerate(recalls):
        heights = np.array(digits) + (place - (len(recalls) - 1) / 2) * step / pitch
        mean, low, high = (100 * values[digits] for values in one)
        axes.hlines(heights, low, high, color=COLOURS[place], linewidth=1.5)
        (dots,) = axes.plot(mean, heights, color=COLOURS[place], linestyle="", markersize=6)
        dots.set(marker=_MARKERS[place], label=LETTERS[place])
    _finish(axes, f"Recall of {digits[0]} to {digits[-1]} on the test images (%)", legend=True)
    axes.grid(visible=False, axis="y")
    axes.hlines(np.array(digits[1:]) - 0.5, 0, 1, color=_GRID, linewidth=0.8,
                transform=axes.get_yaxis_transform(), zorder=0)  # fmt: skip
    lowest = np.nanmin([one.low for one in recalls], initial=1)
    highest = np.nanmax([one.high for one in recalls], initial=0)
    margin = 0.04 * (highest - lowest) or 0.01
    axes.set(
        xlim=(100 * (lowest - margin), 100 * (highest + margin)),
        ylim=(digits[-1] + 0.5, digits[0] - 0.5),
        yticks=digits,
    )
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    return figure


def confusion_difference(letter: str, difference: NDArray[np.float64], most: float) -> Figure:
    """Draws how a config's confusion matrix differs from that of the first.

    Args:
        letter: of the config.
        difference: float64 [10, 10], this one's counts minus the first's.
        most: the count that has the darkest colour, above 0.
    """
    figure = _panel(520)
    axes = add_axes(figure, 40, 42, 445, 445)
    # More on the diagonal is to its credit, more beside it is not.
    credit = difference * (2 * np.eye(10) - 1) / most
    axes.pcolormesh(
        np.arange(11) - 0.5, np.arange(11) - 0.5, _diverging(credit), edgecolor="#dddddd"
    )
    decimals = 0 if (difference == difference.round()).all() else 1
    for row, column in np.argwhere(np.abs(difference) >= _LEAST_SHOWN):
        axes.text(
            column,
            row,
            signed(float(difference[row, column]), decimals=decimals),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if abs(credit[row, column]) > WHITE_FROM else INK,
        )
    more = round(float(difference.trace()), decimals)
    words = f"{abs(more):,.{decimals}f} {'fewer' if more < 0 else 'more'}" if more else "as many"
    title = f"{letter} {_MINUS} {LETTERS[0]}: {words} recognised"
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set(xlim=(-0.5, 9.5), ylim=(9.5, -0.5), xticks=range(10), yticks=range(10))
    axes.set_xlabel("Predicted digit", color=INK)
    axes.set_ylabel("True digit", color=INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=10, labelcolor=INK)
    return figure


def signed(value: float, *, decimals: int) -> str:
    """Returns a difference of counts with its sign, in about five characters.

    Args:
        value: the difference.
        decimals: of small ones.
    """
    value = round(value, decimals)
    size = abs(value)
    if size >= _THOUSAND:
        text = f"{size / 1000:,.{0 if size >= _MANY_THOUSANDS else 1}f}k"
    else:
        text = f"{size:.{0 if size >= _HUNDRED else decimals}f}"
    return f"{'' if value == 0 else '+' if value > 0 else _MINUS}{text}"


def _diverging(credit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns RGB [10, 10, 3]: white at 0, to blue at 1 and to orange at -1."""
    size, good = np.abs(credit)[:, :, None].clip(0, 1), credit[:, :, None] > 0
    light = np.where(good, (0.90, 0.95, 0.98), (1.0, 0.93, 0.86))
    dark = np.where(good, (0.0, 0.36, 0.60), (0.70, 0.26, 0.0))
    return np.where(size == 0, 1.0, light + (dark - light) * size)


def _panel(height: int) -> Figure:
    return Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")


def _finish(axes: Axes, title: str, *, legend: bool) -> None:
    """Gives a panel its title, its quiet lines, and the names of the others between the two."""
    style(axes)
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixel = 1 / (figure.get_size_inches()[1] * _DPI)
    figure.text(_LEFT / _WIDTH, 1 - 20 * pixel, title, fontsize=11, color=INK)
    if legend:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=((_LEFT - 4) / _WIDTH, 1 - 22 * pixel),
            bbox_transform=figure.transFigure,
            ncols=len(LETTERS),
            frameon=False,
            borderpad=0.2,
            handlelength=1.6,
            handletextpad=0.3,
            columnspacing=0.9,
        )
