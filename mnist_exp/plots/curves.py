"""Loss, error rate and learning rate over the epochs."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from mnist_exp.evaluation.names import (
    LEARNING_RATE,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
)
from mnist_exp.plots.frame import BLUE, GREY, INK, ORANGE, add_axes, framed, plain_numbers, style

MARKED_EPOCHS = 20  # more markers than that hide the line
_FEW_EPOCHS = 3  # a line of them needs no more than a third of the width
# Left, bottom, width and height of the panels, in pixels.
_BELOW = (75, 430, 800, 220), (75, 170, 800, 205), (75, 55, 800, 60)
_BESIDE = (75, 55, 210, 190), (370, 55, 210, 190), (665, 55, 210, 190)
_DECADE = 10
_TICK_PIXELS = 25  # what the label of a tick needs


class Curve(NamedTuple):
    """One line of a panel."""

    name: str
    colour: str
    marker: str
    values: Sequence[float]  # one per epoch; empty if it was not measured


def learning_curves(epochs: Mapping[str, Sequence[float]]) -> Figure:
    """Draws one panel each for loss, error rate and learning rate.

    Args:
        epochs: One list with a value per epoch for `train/loss`, `train/accuracy` (0-1) and
            `learning_rate`, and for `val/loss` and `val/accuracy` if there is validation. Values
            that are not finite are left out of the lines.
    """
    measured = "Training: mean over the epoch's batches."
    if epochs.get(VAL_LOSS):
        measured += " Validation: after the epoch."
    few = len(epochs[TRAIN_LOSS]) <= _FEW_EPOCHS
    figure = framed(390 if few else 760, learning_title(epochs), measured)
    loss, error_rate, rate = (add_axes(figure, *place) for place in (_BESIDE if few else _BELOW))
    _draw(loss, "Loss (nats)", _training_and_validation(epochs, "loss"), few=few)
    errors = {
        key: [100 * (1 - value) for value in values]
        for key, values in epochs.items()
        if key.endswith("/accuracy")
    }
    _draw(error_rate, "Error rate (%)", _training_and_validation(errors, "accuracy"), few=few)
    _draw(rate, "Learning rate", [Curve("", GREY, "o", epochs[LEARNING_RATE])], few=few)
    if rate.get_yscale() == "linear":
        rate.set_ylim(0, 1.2 * max(epochs[LEARNING_RATE]) or 1)
        rate.yaxis.set_major_locator(MaxNLocator(nbins=2))
    for axes in (loss, error_rate, rate) if few else (rate,):
        axes.set_xlabel("Epoch", color=INK)
    return figure


def learning_title(epochs: Mapping[str, Sequence[float]]) -> str:
    """Returns the finding: divergence, or the best validation accuracy, or the last of training."""
    losses = epochs[TRAIN_LOSS]
    count = len(losses)
    for epoch, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            return f"Learning curves: diverged, the loss is not finite in epoch {epoch} of {count}"
    accuracies = list(epochs.get(VAL_ACCURACY, ()))
    if not accuracies:
        last = 100 * epochs[TRAIN_ACCURACY][-1]
        span = f"{count} epochs" if count > 1 else "one epoch"
        return f"Learning curves: training accuracy {last:.2f} % after {span}, no validation"
    # Of equally accurate epochs the one with the lower loss, as training chooses.
    ranks = [(a, -loss) for a, loss in zip(accuracies, epochs[VAL_LOSS], strict=True)]
    best, chosen = max(ranks)[0], ranks.index(max(ranks)) + 1
    if count == 1:
        return f"Learning curves: validation accuracy {100 * best:.2f} % after one epoch"
    where = f"in epoch {chosen} of {count}"
    return f"Learning curves: best validation accuracy {100 * best:.2f} % {where}"


def _training_and_validation(table: Mapping[str, Sequence[float]], quantity: str) -> list[Curve]:
    return [
        Curve("training", ORANGE, "o", table[f"train/{quantity}"]),
        Curve("validation", BLUE, "s", table.get(f"val/{quantity}", ())),
    ]


def _draw(axes: Axes, label: str, curves: Sequence[Curve], *, few: bool) -> None:
    count = len(curves[0].values)
    for name, colour, marker, values in curves:
        if len(values):
            axes.plot(
                range(1, count + 1),
                values,
                color=colour,
                marker=marker if count <= MARKED_EPOCHS else "",
                markersize=4.5,
                label=f"{name}{', last' if count > 1 else ''} {values[-1]:.3g}",
            )
    if use_log_scale(axes, [value for curve in curves for value in curve.values]):
        label += ", log scale"
    else:
        plain_numbers(axes)
    style(axes)
    axes.set_title(label, loc="left", fontsize=11, color=INK, pad=45 if few else None)
    if curves[0].name:
        if few:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1), frameon=False)
        else:
            axes.legend(loc="lower right", bbox_to_anchor=(1.015, 0.98), ncols=2, frameon=False)
    axes.set_xlim(*epoch_limits(count))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))


def epoch_limits(count: int) -> tuple[float, float]:
    """Returns the ends of a scale of epochs: lines end before them, and there is no epoch 0."""
    margin = 0.1 + 0.02 * count
    return 1 - min(0.5, margin), count + margin


def use_log_scale(axes: Axes, values: Sequence[float]) -> bool:
    """Makes the scale logarithmic if the values span more than a decade; says whether it did."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or min(finite) <= 0 or max(finite) <= _DECADE * min(finite):
        return False
    decades = math.log10(max(finite) / min(finite))
    subdivisions = (1, 2, 5) if 3 * decades * _TICK_PIXELS < axes.bbox.height else (1,)
    axes.set_yscale("log")
    ticks = min(8, max(3, int(axes.bbox.height // _TICK_PIXELS)))
    axes.yaxis.set_major_locator(LogLocator(subs=subdivisions, numticks=ticks))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    return True
