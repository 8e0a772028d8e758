"""The frontier as a picture: test accuracy against seconds of fit, both logarithmic.

Accuracy is logarithmic in the error: half the errors are the same step everywhere.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from frontier_results import Frontier, Result, undominated
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from mnist_exp.plots.frame import BLUE, GREY, INK, ORANGE, add_axes, framed, save, style

PALE = "#9ec5e0"
SECONDS = (0.1, 0.2, 0.5, *(m * 10**e for e in range(5) for m in (1, 2, 5)))
ERRORS = tuple(m * 10.0**e for e in range(-5, 1) for m in (1, 2, 3, 5))
RADIUS = 6  # of a point, in pixels
ROOM = 1.7  # below the largest error and above the least, as a factor
GOOD = 0.99  # from which on a recipe is worth a title
NEAR = 10  # points, from where a label needs no line to its point
Horizontal = Literal["left", "center", "right"]
Vertical = Literal["top", "center", "bottom"]
FAR = (
    *((0, 24), (0, -24), (24, 24), (24, -24), (0, 42), (0, -42), (48, 0), (48, 24), (48, -24)),
    *((48, 42), (48, -42), (72, 60), (72, -60)),
)
# Where a label may stand, in points from its point, with its alignment; the first that is free.
Side = tuple[int, int, Horizontal, Vertical]
SIDES: tuple[Side, ...] = (
    (9, 0, "left", "center"),
    (-9, 0, "right", "center"),
    (6, 8, "left", "bottom"),
    (-6, 8, "right", "bottom"),
    (6, -8, "left", "top"),
    (-6, -8, "right", "top"),
    *(
        (right * across, up, ("right", "center", "left")[right + 1], "center")
        for across, up in FAR
        for right in ((1, -1) if across else (0,))
    ),
)


def write(frontier: Frontier, file: Path) -> None:
    """Draws the frontier into a PNG file."""
    save(picture(frontier), file)


def picture(frontier: Frontier) -> Figure:
    """Returns the picture.

    Args:
        frontier: with at least one finished run.
    """
    ranking = frontier.ranking
    figure = framed(560, title(frontier), subtitle(frontier))
    axes = add_axes(figure, 75, 60, 800, 410)
    scales(axes, ranking)
    corners = [place(result) for result in undominated(ranking)]
    axes.step(*zip(*corners, strict=True), where="post", color=PALE, linewidth=1.5, zorder=1)
    for result in ranking:
        point(axes, result)
    label(figure, axes, ranking)
    return figure


def title(frontier: Frontier) -> str:
    """Returns the finding, or that it is none."""
    if frontier.quick:
        return f"A quick check, no result: {frontier.quick}"
    ours = [result for result in frontier.ranking if result.ours]
    others = [result.name for result in frontier.results if not result.ours]
    if not ours or not others:
        return "Test accuracy against seconds of fit"
    best = max(ours, key=lambda result: result.accuracy.low)  # two lucky seeds are no finding
    first = next((result for result in ours if result.accuracy.mean >= GOOD), ours[0])
    found = [f"{100 * r.accuracy.mean:.2f} % in {duration(r)}" for r in (first, best)]
    return ", ".join(dict.fromkeys(found))


def subtitle(frontier: Frontier) -> str:
    """Returns what is drawn."""
    return (
        f"Recipes of mnist-exp (blue) and peers (orange), means over seeds with 95 % intervals; "
        f"{frontier.machine.partition(',')[0]}"
    )


def duration(result: Result) -> str:
    """Returns the median seconds of fit in words."""
    seconds = result.median("fit_seconds")
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def scales(axes: Axes, ranking: list[Result]) -> None:
    """Sets both scales, with room around the points, and labels of round numbers."""
    seconds = [result.median("fit_seconds") for result in ranking]
    errors = [1 - result.accuracy.mean for result in ranking]
    # Intervals of two or three seeds reach far; they are cut off where they would hide the rest.
    least, most = max(min(errors), ERRORS[0]) / ROOM, min(max(errors) * ROOM, 1)
    axes.set(xscale="log", yscale="log")
    axes.set(xlim=(min(seconds) / 2, max(seconds) * 2.5), ylim=(most, least))  # better is higher
    style(axes)
    axes.minorticks_off()
    shown = [tick for tick in SECONDS if min(seconds) / 2 <= tick <= max(seconds) * 2.5]
    axes.set_xticks(shown, [f"{tick:,g}" for tick in shown])
    heights = [tick for tick in ERRORS if least <= tick <= most]
    axes.set_yticks(heights, [f"{100 * (1 - tick):.6g}" for tick in heights])
    axes.minorticks_off()
    axes.set_xlabel("Seconds of fit (median)", color=INK)
    axes.set_title("Test accuracy (%)", loc="left", fontsize=11, color=INK)


def point(axes: Axes, result: Result) -> None:
    """Draws a contender with its interval."""
    mean, _, low, high = result.accuracy
    colour = BLUE if result.ours else ORANGE
    axes.errorbar(
        result.median("fit_seconds"),
        1 - mean,
        yerr=[[high - mean], [mean - low]],
        color=colour,
        marker="o" if result.ours else "s",
        markersize=6,
        elinewidth=1.6,
        zorder=3,
    )


def place(result: Result) -> tuple[float, float]:
    """Returns the median seconds of fit, and the mean error."""
    return result.median("fit_seconds"), 1 - result.accuracy.mean


def label(figure: Figure, axes: Axes, ranking: list[Result]) -> None:
    """Writes each name where it covers neither a point nor another name, as far as it can."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib has no type hints for it
    renderer = canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    taken = [*(extent(axes, result) for result in ranking), *lines(axes, undominated(ranking))]
    for result in ranking:
        text = axes.annotate(
            words(result),
            place(result),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=9.5,
            color=INK,
            zorder=4,
        )

        def cost(side: Side, text: Annotation = text) -> float:
            move(text, side)
            return covered(text.get_window_extent(renderer), taken, frame)

        side = min(SIDES, key=cost)  # of equals the first
        move(text, side)
        if max(map(abs, side[:2])) > NEAR:
            lead(axes, place(result), side)
        taken.append(text.get_window_extent(renderer))


def lead(axes: Axes, end: tuple[float, float], side: Side) -> None:
    """Draws a thin line from a label that is not near to its point."""
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 4, "shrinkB": 4}
    axes.annotate("", end, xytext=side[:2], textcoords="offset points", arrowprops=line, zorder=2)


def move(text: Annotation, side: Side) -> None:
    """Puts a label somewhere beside its point."""
    across, up, horizontal, vertical = side
    text.xyann = (across, up)
    text.set_horizontalalignment(horizontal)
    text.set_verticalalignment(vertical)


def extent(axes: Axes, result: Result) -> Bbox:
    """Returns the pixels that a point and its interval take."""
    seconds, _ = place(result)
    ends = axes.transData.transform([(seconds, 1 - end) for end in result.accuracy[2:]])
    return Bbox([ends.min(axis=0), ends.max(axis=0)]).padded(RADIUS)


def lines(axes: Axes, steps: list[Result]) -> list[Bbox]:
    """Returns the pixels that the steps of the frontier take."""
    places = [place(result) for result in steps]
    corners = [
        corner
        for (left, low), (right, high) in pairwise(places)
        for corner in ((left, low), (right, low), (right, high))
    ]
    pixels = axes.transData.transform(corners or places)
    return [Bbox([start, end]).padded(1) for start, end in pairwise(pixels)]


def covered(box: Bbox, taken: list[Bbox], frame: Bbox) -> float:
    """Returns how many pixels a label covers, or stands out of the frame."""
    overlaps = (Bbox.intersection(box, other) for other in taken)
    covers = sum(area(overlap) for overlap in overlaps if overlap is not None)
    inside = Bbox.intersection(box, frame)
    return covers + area(box) - (area(inside) if inside is not None else 0)


def area(box: Bbox) -> float:
    """Returns the pixels of a box."""
    return float(box.width * box.height)


def words(result: Result) -> str:
    """Returns the name of a contender, short."""
    return result.title.removeprefix("experiment=")
