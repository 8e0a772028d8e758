"""The configs of a sweep as lines through their values, up to that of their objective."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mnist_exp.core.text import short_keys, shortened
from mnist_exp.plots.frame import BLUE, INK, ORANGE, add_axes, framed
from mnist_exp.plots.scale import fitting, round_numbers
from mnist_exp.sweeps.results.exploration import Dimension, dimensions, measured
from mnist_exp.sweeps.results.ranking import RankedConfig
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.results.wording import AS_GIVEN, config_text

_MOST_KEYS = 7  # axes that fit beside each other
_MOST_TICKS = 8
_FEW_DECADES = 3
_MANY_LINES = 100
_PALE = "#cfe0ec"
_CHARACTER_PIXELS, _BOLD_PIXELS = 8.3, 9.5  # of wide letters at size 9.5 to 10
_SUBTITLE_CHARACTERS = 105
_LABEL_PIXELS, _ACROSS_PIXELS = 120, 705
_LABEL_HEIGHT = 0.045  # of an axis


def parallel_coordinates(results: Sequence[JobResult]) -> Figure:
    """Draws every config as a line through its values, up to that of its objective.

    Configs that are not finished are left out: theirs is that of a shorter training.

    Args:
        results: The jobs of a sweep, `comparable`, with a key in which configs differ.
    """
    rows, found = measured(results), dimensions(results)
    objective = rows[0].objective
    shown = found[:_MOST_KEYS]
    keys = [dimension.key for dimension in shown]
    left_out = f"{len(shown)} of {len(found)} keys. " if len(found) > len(shown) else ""
    subtitle = f"{left_out}Orange: the best, {config_text(rows[0].overrides, keys) or AS_GIVEN}"
    if len(subtitle) > _SUBTITLE_CHARACTERS:
        subtitle = f"{subtitle[:_SUBTITLE_CHARACTERS].rpartition(' ')[0]} ..."
    figure = framed(520, parallel_title(rows), subtitle)
    axes = add_axes(figure, _LABEL_PIXELS, 30, _ACROSS_PIXELS, 390)
    axes.set(xlim=(0, len(shown)), ylim=(-0.03, 1.03))
    axes.set_axis_off()
    scale = objective.scale([row.mean for row in rows])
    columns = [_heights(dimension) for dimension in shown]
    columns.append([scale.height(row.mean) for row in rows])
    for place in reversed(range(len(rows))):  # the best one last, above the others
        axes.plot(
            range(len(columns)),
            [column[place] for column in columns],
            # By rank, so that colours differ where values hardly do.
            color=ORANGE if place == 0 else _between(BLUE, _PALE, place / len(rows)),
            linewidth=3 if place == 0 else 1.4 if len(rows) <= _MANY_LINES else 0.7,
            clip_on=False,
            zorder=2,
        )
    names = short_keys(keys)
    for place, dimension in enumerate(shown):
        _draw_scale(axes, place, names[dimension.key], _value_ticks(dimension), left=True)
    _draw_scale(axes, len(shown), objective.short_heading, scale.ticks(), left=False)
    return figure


def parallel_title(rows: Sequence[RankedConfig]) -> str:
    """Returns the finding: how good the best of how many configs is."""
    title = f"Parallel coordinates: {rows[0].objective.phrase(rows[0].mean)}"
    return f"{title} is the best of {len(rows):,} configs"


def _heights(dimension: Dimension) -> list[float]:
    """Returns where on its axis, 0-1, each config's value lies."""
    values = [_raw_height(dimension, place) for place in range(len(dimension.texts))]
    low, span = min(values), max(values) - min(values)
    return [(value - low) / span if span else 0.5 for value in values]


def _raw_height(dimension: Dimension, place: int) -> float:
    if dimension.numbers is None:
        # The best config's value lies on top, then the next best one's.
        return -list(dict.fromkeys(dimension.texts)).index(dimension.texts[place])
    number = dimension.numbers[place]
    return math.log10(number) if dimension.log else number


def _value_ticks(dimension: Dimension) -> dict[str, float]:
    """Returns label -> height: the values themselves where they are few, else round numbers."""
    heights = dict(zip(map(shortened, dimension.texts), _heights(dimension), strict=True))
    if dimension.numbers is None or len(heights) <= _MOST_TICKS:
        return heights
    low, high = min(dimension.numbers), max(dimension.numbers)
    ticks = _decades(low, high) if dimension.log else []
    if len(ticks) <= 1:
        ticks = round_numbers(low, high) or [low, high]
    place = math.log10 if dimension.log else float
    span = place(high) - place(low)
    return {f"{tick:g}": (place(tick) - place(low)) / span for tick in ticks}


def _decades(low: float, high: float) -> list[float]:
    """Returns the powers of ten in a range, with their doubles and fives where those are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(exponents) <= _FEW_DECADES else (1,)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _draw_scale(
    axes: Axes, place: int, title: str, ticks: Mapping[str, float], *, left: bool
) -> None:
    """Draws one upright axis, with its name above and its labels beside it."""
    pitch = _ACROSS_PIXELS / axes.get_xlim()[1]
    room = min(pitch, _LABEL_PIXELS) - 14 if left else 60
    axes.plot([place, place], [0, 1], color="#888888", linewidth=1, zorder=3, clip_on=False)
    axes.text(
        place,
        1.06,
        fitting(title, int(pitch / _BOLD_PIXELS)),
        ha="center",
        fontsize=10,
        weight="bold",
        color=INK,
        parse_math=False,
    )
    last = math.inf
    for label, height in sorted(ticks.items(), key=lambda item: -item[1]):
        if last - height < _LABEL_HEIGHT:
            continue  # it would touch the one above
        last = height
        axes.annotate(
            fitting(label, int(room / _CHARACTER_PIXELS)),
            (place, height),
            xytext=(-5 if left else 5, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=9.5,
            color=INK,
            parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
            zorder=4,
        )


def _between(first: str, second: str, share: float) -> tuple[float, ...]:
    return tuple(a + (b - a) * share for a, b in zip(to_rgb(first), to_rgb(second), strict=True))
