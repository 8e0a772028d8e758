"""What a sweep found: the way to the best, and which key mattered."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mnist_exp.plots.frame import BLUE, INK, add_axes, framed, style
from mnist_exp.plots.scale import Scale, fitting
from mnist_exp.sweeps.results.coordinates import parallel_coordinates
from mnist_exp.sweeps.results.exploration import Share, Step, measured, steps
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.result import JobResult

__all__ = ["best_so_far", "importance", "parallel_coordinates"]

_MOST_BARS = 25
_PALE = "#9ec5e0"


def best_so_far(results: Sequence[JobResult]) -> Figure:
    """Draws the best value of the objective against time and against trained epochs.

    Args:
        results: The jobs of a sweep, `comparable`.
    """
    found, objective = steps(results), measured(results)[0].objective
    scale = objective.scale(
        [value for step in found for value in {step.least, step.value, step.greatest}]
    )
    several = any(step.least < step.greatest for step in found)
    subtitle = (
        f"Dots: configs at their last seed's end. {'Bars: range of seeds. ' if several else ''}"
        f"Line: best so far. {scale.words}"
    )
    figure = framed(670, best_so_far_title(found, objective), subtitle)
    unit, length = _time_unit(found[-1].seconds)
    times = [step.seconds / length for step in found]
    upper, lower = add_axes(figure, 75, 365, 800, 195), add_axes(figure, 75, 60, 800, 195)
    _draw_steps(upper, found, times, scale)
    upper.set_xlabel(f"Time in which jobs ran ({unit})", color=INK)
    _draw_steps(lower, found, [step.epochs for step in found], scale)
    lower.set_xlabel("Epochs trained by all jobs together, pruned and failed ones too", color=INK)
    for axes in (upper, lower):
        title = objective.words.capitalize()
        axes.set_title(f"{title}{objective.unit}", loc="left", fontsize=11, color=INK)
    return figure


def best_so_far_title(found: Sequence[Step], objective: Objective) -> str:
    """Returns the finding: the best, and how soon it was reached."""
    best = found[-1].best
    place = next(place for place, step in enumerate(found, start=1) if step.value == best)
    title = f"Best so far: {objective.phrase(best)}"
    return f"{title}, reached with config {place} of {len(found)}"


def _draw_steps(axes: Axes, found: Sequence[Step], ends: Sequence[float], scale: Scale) -> None:
    means = [scale.height(step.value) for step in found]
    several = [place for place, step in enumerate(found) if step.least < step.greatest]
    axes.errorbar(
        [ends[place] for place in several],
        [means[place] for place in several],
        yerr=[
            [means[place] - scale.height(found[place].least) for place in several],
            [scale.height(found[place].greatest) - means[place] for place in several],
        ],
        fmt="none",
        ecolor=_PALE,
        elinewidth=1.5,
        capsize=4,  # seen beside the line, which rises where a bar stands
        zorder=1,
    )
    axes.scatter(ends, means, s=22, color=_PALE, zorder=2)
    best = [scale.height(step.best) for step in found]
    axes.plot(ends, best, drawstyle="steps-post", color=BLUE, linewidth=2, zorder=3)
    risen = [place for place, step in enumerate(found) if step.value == step.best]
    axes.scatter(
        [ends[place] for place in risen],
        [best[place] for place in risen],
        s=26,
        color=BLUE,
        zorder=4,
    )
    ticks = scale.ticks()
    style(axes)
    axes.set(xlim=(0, 1.03 * ends[-1] or 1), ylim=(-0.08, 1.08))
    axes.set_yticks(list(ticks.values()), list(ticks))
    whole = isinstance(ends[0], int)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=whole))


def _time_unit(seconds: float) -> tuple[str, int]:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return unit, length
    return "seconds", 1


def importance(values: Mapping[str, Share]) -> Figure:
    """Draws how much each key explains of what the keys explain one by one, with its interval.

    Args:
        values: Key -> share; at least one.
    """
    shares = sorted(values.items(), key=lambda item: -item[1].mean)[:_MOST_BARS]
    subtitle = "Share of the variance that keys explain one by one (fANOVA). "
    subtitle += "Lines: 95 % intervals, over resampled configs"
    if len(shares) < len(values):
        subtitle += f"; {len(shares)} of {len(values)} keys"
    figure = framed(110 + 26 * len(shares), importance_title(values), subtitle)
    axes = add_axes(figure, 240, 30, 500, 26 * len(shares))
    places = range(len(shares))
    axes.barh(places, [100 * share.mean for _, share in shares], height=0.62, color=_PALE)
    for place, (_, share) in enumerate(shares):
        axes.plot([100 * share.low, 100 * share.high], [place, place], color=BLUE, linewidth=2)
        axes.text(102, place, share_words(share), va="center", fontsize=10, color=INK)
    style(axes)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlim=(0, 100), ylim=(len(shares) - 0.4, -0.6), xticks=[])
    axes.set_yticks(places, [fitting(key, 33) for key, _ in shares])
    return figure


def importance_title(values: Mapping[str, Share]) -> str:
    """Returns the finding: the key that matters most, and how sure that share is."""
    key, share = max(values.items(), key=lambda item: item[1].mean)
    return f"Importance: {fitting(key, 40)} explains {share_words(share)}"


def share_words(share: Share) -> str:
    """Returns a share with its interval, in %."""
    return f"{100 * share.mean:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"
