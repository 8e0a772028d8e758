"""What the figures share: size, colours, the place of the title, and the way to a file.

Sizes are pixels of the UI's artifact pane, about 900 wide. Layouts are fixed, because layout
engines draw everything twice.
"""

from pathlib import Path
from typing import Any, BinaryIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

WIDTH = 900
_DPI = 100
# Okabe and Ito's blue and vermilion, told apart by readers with any common colour vision.
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#6b6b6b", "#222222"
WHITE_FROM = 0.75  # of the darkest blue or orange: on what is darker, white reads better than ink
_LEAST_SPAN = 1e-3  # of a scale, of the greatest number on it
_LINE, _GRID = "#aaaaaa", "#e6e6e6"


def framed(height: int, title: str, subtitle: str) -> Figure:
    """Returns an empty figure, 900 pixels wide, whose upper 65 pixels hold the texts."""
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    plain: Any = {"parse_math": False}  # the name of a run may have dollars in it
    figure.text(
        25 / WIDTH, 1 - 30 / height, title, fontsize=13.5, weight="bold", color=INK, **plain
    )
    figure.text(25 / WIDTH, 1 - 53 / height, subtitle, fontsize=10, color=GREY, **plain)
    return figure


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Adds axes at a place given in pixels from the lower left corner."""
    across, up = figure.get_size_inches() * _DPI
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def style(axes: Axes) -> None:
    """Gives a chart its quiet lines and grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(which="both", color=_LINE, labelcolor=INK, labelsize=10)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def plain_numbers(axes: Axes) -> None:
    """Has the scale on the left say whole numbers, not their difference from one above it.

    What differs by less than such numbers say is drawn flat.
    """
    low, high = axes.get_ylim()
    least = _LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))


def save(figure: Figure, file: Path | BinaryIO) -> None:
    """Writes a figure as a PNG file. The same figure gives the same bytes."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib has no type hints for it
    # The lowest compression halves the time of writing and costs some kilobytes.
    canvas.print_png(file, metadata={"Software": None}, pil_kwargs={"compress_level": 1})
