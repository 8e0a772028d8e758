"""Whether the model is right as often as it believes to be."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from mnist_exp.core.statistics import wilson_interval
from mnist_exp.evaluation.metrics import Calibration
from mnist_exp.plots.frame import BLUE, GREY, INK, add_axes, framed, style


def reliability(calibration: Calibration, ece: float) -> Figure:
    """Draws accuracy against confidence, and how many predictions each confidence has.

    Args:
        calibration: Predictions by confidence.
        ece: Expected calibration error, 0-1.
    """
    figure = framed(
        720,
        reliability_title(calibration, ece),
        "Vertical bars: 95 % Wilson intervals, long where images are few.",
    )
    filled = np.isfinite(calibration.confidence)  # neither empty nor of outputs that are no numbers
    accuracy = calibration.accuracy[filled]
    axes = add_axes(figure, 75, 220, 800, 420)
    axes.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="ideal")
    axes.errorbar(
        100 * calibration.confidence[filled],
        100 * accuracy,
        yerr=100 * _distances(accuracy, calibration.counts[filled]),
        fmt="o",
        color=BLUE,
        ecolor="#7fb3d5",
        capsize=3,
        label="mean of a bin",
    )
    axes.set(xlim=(0, 101), ylim=(-2, 102))
    axes.set_ylabel("Accuracy (%)", color=INK)
    axes.legend(frameon=False, loc="upper left")
    style(axes)
    _draw_counts(add_axes(figure, 75, 55, 800, 110), calibration.counts * filled)
    return figure


def reliability_title(calibration: Calibration, ece: float) -> str:
    """Returns the finding: the error, and on which side of accuracy confidence lies."""
    filled = calibration.counts > 0
    gaps = (calibration.confidence - calibration.accuracy)[filled]
    points = 100 * float(np.average(gaps, weights=calibration.counts[filled]))
    if math.isnan(points):
        return "Reliability: not measurable, the outputs are not finite"
    title = f"Reliability: calibration error (ECE) {100 * ece:.2f} %"
    if f"{abs(points):.2f}" == "0.00":
        return f"{title}, neither over- nor underconfident"
    return f"{title}, {'over' if points > 0 else 'under'}confident by {abs(points):.2f} points"


def _distances(accuracy: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns float64 [2, bins]: how far the Wilson intervals reach below and above."""
    intervals = np.array(
        [
            wilson_interval(round(share * count), int(count))
            for share, count in zip(accuracy, counts, strict=True)
        ]
    ).reshape(-1, 2)
    low, high = intervals.T
    # Rounding may put an end a hair inside; matplotlib refuses negative distances.
    return np.stack([accuracy - low, high - accuracy]).clip(min=0)


def _draw_counts(axes: Axes, counts: NDArray[np.int64]) -> None:
    width = 100 / len(counts)
    centres = (np.arange(len(counts)) + 0.5) * width
    axes.bar(centres, counts, width=0.9 * width, color="#9ec5e0")
    for centre, count in zip(centres, counts, strict=True):
        if count:
            axes.text(centre, count * 1.3, f"{count:,}", ha="center", fontsize=9, color=INK)
    if counts.any():
        axes.set_yscale("log")
    axes.set(xlim=(0, 101), ylim=(0.7, max(1, int(counts.max())) * 6))
    style(axes)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title("Images in each bin, log scale", loc="left", fontsize=11, color=INK)
    axes.set_xlabel("Confidence: probability of the predicted digit (%)", color=INK)
