"""Figures for the MLflow UI: data in, a matplotlib Figure out, nothing global touched.

Titles state the finding. Sizes are in pixels of the UI's artifact pane, about 900 wide. Grids of
digits are one image each and layouts are fixed, because axes and layout engines cost most time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mnist_exp.evaluation import Calibration
from mnist_exp.statistics import wilson_interval

_DPI = 100
_WIDTH = 900
# Okabe and Ito's colours, told apart by readers with any common colour vision.
_BLUE, _ORANGE, _GREY, _INK = "#0072B2", "#D55E00", "#6b6b6b", "#222222"
_TILE = 28
_MOST_MISTAKES = 40
_DECADE = 10


def learning_curves(epochs: Mapping[str, Sequence[float]]) -> Figure:
    """Draws loss, error rate and learning rate over the epochs.

    Args:
        epochs: One list with a value per epoch for `train/loss`, `train/accuracy` and
            `learning_rate`, and for `val/loss` and `val/accuracy` if there is validation.
    """
    figure = _figure(
        760,
        learning_title(epochs),
        "Training: mean over the epoch's batches. Validation: after the epoch.",
    )
    errors = {
        key: [100 * (1 - value) for value in values]
        for key, values in epochs.items()
        if key.endswith("/accuracy")
    }
    panels = [
        ("Loss (nats)", _axes(figure, 75, 430, 800, 220), epochs, "/loss"),
        ("Error rate (%)", _axes(figure, 75, 170, 800, 205), errors, "/accuracy"),
    ]
    for label, axes, table, quantity in panels:
        _curve_panel(
            axes,
            label,
            [
                ("training", _ORANGE, "o", table[f"train{quantity}"]),
                ("validation", _BLUE, "s", table.get(f"val{quantity}", [])),
            ],
        )
    rates = _axes(figure, 75, 55, 800, 60)
    _curve_panel(rates, "Learning rate", [("", _GREY, "o", epochs["learning_rate"])])
    rates.set_xlabel("Epoch", color=_INK)
    return figure


def learning_title(epochs: Mapping[str, Sequence[float]]) -> str:
    """Returns the finding: the best validation accuracy, or else the last of training."""
    count = len(epochs["train/accuracy"])
    accuracies = np.asarray(epochs.get("val/accuracy", ()), dtype=np.float64)
    if np.isfinite(accuracies).any():
        best = int(np.nanargmax(accuracies))
        where = f"in epoch {best + 1} of {count}" if count > 1 else "after one epoch"
        return f"Learning curves: best validation accuracy {100 * accuracies[best]:.2f} % {where}"
    last = 100 * epochs["train/accuracy"][-1]
    span = f"{count} epochs" if count > 1 else "one epoch"
    return f"Learning curves: training accuracy {last:.2f} % after {span}, no validation"


def confusion_matrix(confusion: NDArray[np.int64]) -> Figure:
    """Draws how often each digit was taken for each other.

    Args:
        confusion: int64 [10, 10], rows are true digits, columns predictions.
    """
    total, correct = int(confusion.sum()), int(confusion.trace())
    figure = _figure(
        790,
        f"Confusion matrix: {total - correct:,} of {total:,} wrong "
        f"({100 * correct / max(total, 1):.2f} % correct)",
        "Mistakes are coloured by their number; empty cells never occurred.",
    )
    size = len(confusion)
    wrong = confusion * (1 - np.eye(size, dtype=np.int64))
    axes = _axes(figure, 75, 60, 640, 640)
    axes.imshow(_cell_colours(wrong))
    for row, column in np.argwhere(confusion):
        dark = row != column and wrong[row, column] > wrong.max() / 2
        axes.text(
            column,
            row,
            f"{confusion[row, column]:,}",
            ha="center",
            va="center",
            color="white" if dark else _INK,
            weight="bold" if row != column else "normal",
        )
    for edge in np.arange(size + 1) - 0.5:
        axes.axhline(edge, color="#dddddd", linewidth=0.8)
        axes.axvline(edge, color="#dddddd", linewidth=0.8)
    axes.set(xticks=range(size), yticks=range(size))
    axes.set_xlabel("Predicted digit", color=_INK)
    axes.set_ylabel("True digit", color=_INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=11)
    _row_notes(axes, confusion)
    return figure


def misclassified(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], probabilities: NDArray[np.float32]
) -> Figure:
    """Draws the mistakes, those that the model was surest of first.

    Args:
        images: uint8 [N, 28, 28], 0-255, all images that were tested.
        labels: uint8 [N].
        probabilities: float32 [N, 10].
    """
    predictions = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    mistakes = np.flatnonzero(predictions != labels)
    shown = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:_MOST_MISTAKES]
    columns, pitch_x, pitch_y, scale = 8, 107, 116, 3
    rows = -(-len(shown) // columns)
    figure = _figure(
        max(110 + rows * pitch_y, 160),
        misclassified_title(len(mistakes), len(labels), len(shown)),
        "True digit \N{RIGHTWARDS ARROW} prediction, and the probability the model gave it.",
    )
    if not len(shown):
        figure.text(0.5, 0.3, "Nothing to show here.", ha="center", color=_GREY)
        return figure
    axes = _axes(figure, 22, 15, columns * pitch_x, rows * pitch_y)
    canvas = np.full((rows * pitch_y, columns * pitch_x), 255, dtype=np.uint8)
    for place, index in enumerate(shown):
        row, column = divmod(place, columns)
        left, top = column * pitch_x + (pitch_x - _TILE * scale) // 2, row * pitch_y
        _paste(canvas, images[index] / 255, top, left, scale)
        text = f"{labels[index]} \N{RIGHTWARDS ARROW} {predictions[index]}"
        axes.text(
            left + _TILE * scale / 2,
            top + _TILE * scale + 13,
            f"{text}   {percent(float(confidence[index]))}",
            ha="center",
            va="center",
            fontsize=9.5,
            color=_INK,
        )
    _show(axes, canvas)
    return figure


def misclassified_title(mistakes: int, total: int, shown: int) -> str:
    """Returns the finding: how many mistakes there are, and how many of them are shown."""
    if mistakes == 0:
        return f"Misclassified digits: none of {total:,}"
    title = f"Misclassified digits: {mistakes:,} of {total:,}"
    if shown < mistakes:
        return f"{title}, here the {shown} most confident mistakes"
    return f"{title}, the most confident {'first' if mistakes > 1 else 'mistake'}"


def percent(probability: float) -> str:
    """Returns a probability as a percentage that is 100 or 0 only when it is exactly that."""
    text = f"{100 * probability:.0f} %"
    if text == "100 %" and probability < 1:
        return ">99 %"
    return text


def augmentation_preview(originals: NDArray[Any], augmented: NDArray[Any]) -> Figure:
    """Draws some training images, each with random versions of it beside it.

    Args:
        originals: [k, 28, 28] of any dtype, 0 to any maximum, ink bright.
        augmented: [k, m, 28, 28] in the same range.
    """
    count, versions = augmented.shape[:2]
    unchanged = bool(np.all(augmented == originals[:, None]))
    title = f"Augmentation: {versions} random versions of {count} training digits"
    if unchanged:
        title = "Augmentation: none, the model sees the training digits as they are"
    gap, space = 6, 24
    scale = max(1, (_WIDTH - 50 - space - gap * versions) // (_TILE * (versions + 1)))
    pitch = _TILE * scale + gap
    canvas = np.full((count * pitch, (versions + 1) * pitch + space), 255, dtype=np.uint8)
    figure = _figure(canvas.shape[0] + 125, title, "Random changes are drawn anew in every epoch.")
    brightest = max(float(originals.max()), 1e-9)
    for row, (original, others) in enumerate(zip(originals, augmented, strict=True)):
        _paste(canvas, original / brightest, row * pitch, 0, scale)
        for column, other in enumerate(others, start=1):
            _paste(canvas, other / brightest, row * pitch, column * pitch + space, scale)
    axes = _axes(figure, 25, 10, canvas.shape[1], canvas.shape[0])
    _show(axes, canvas)
    axes.text(0, -8, "Original", fontsize=10, color=_INK)
    axes.text(pitch + space, -8, "Augmented", fontsize=10, color=_INK)
    return figure


def reliability(calibration: Calibration, ece: float) -> Figure:
    """Draws accuracy against confidence, and how many predictions each confidence has.

    Args:
        calibration: Predictions by confidence.
        ece: Expected calibration error, 0-1.
    """
    bins = len(calibration.counts)
    filled = calibration.counts > 0
    counts = calibration.counts[filled]
    confidence = 100 * calibration.confidence[filled]
    accuracy = 100 * calibration.accuracy[filled]
    figure = _figure(
        720,
        f"Reliability: expected calibration error {100 * ece:.2f} %, "
        f"{_lean(float(np.average(confidence - accuracy, weights=counts)))}",
        f"{bins} bins of equal width. Bars: 95 % Wilson intervals, wide where images are few.",
    )
    axes = _axes(figure, 75, 220, 800, 420)
    axes.plot([0, 100], [0, 100], color=_GREY, linestyle="--", linewidth=1, label="perfect")
    low, high = _accuracy_bars(accuracy, counts)
    axes.errorbar(
        confidence,
        accuracy,
        yerr=(low, high),
        fmt="o",
        color=_BLUE,
        ecolor="#7fb3d5",
        capsize=3,
        label="model",
    )
    axes.set(xlim=(0, 101), ylim=(-2, 102))
    axes.set_ylabel("Accuracy (%)", color=_INK)
    axes.legend(frameon=False, loc="upper left")
    _plain(axes)
    _counts_panel(_axes(figure, 75, 55, 800, 110), calibration.counts)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG file, 900 pixels wide."""
    canvas = FigureCanvasAgg(figure)
    # Level 1 halves the time and costs a few kilobytes; no version string keeps bytes comparable.
    canvas.print_png(path, metadata={"Software": None}, pil_kwargs={"compress_level": 1})


def _figure(height: int, title: str, subtitle: str) -> Figure:
    figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    figure.text(25 / _WIDTH, 1 - 30 / height, title, fontsize=13.5, weight="bold", color=_INK)
    figure.text(25 / _WIDTH, 1 - 53 / height, subtitle, fontsize=10, color=_GREY)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Adds axes at a place given in pixels from the lower left corner."""
    across, up = figure.get_size_inches() * _DPI
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#aaaaaa")
    axes.tick_params(color="#aaaaaa", labelcolor=_INK, labelsize=10)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


def _curve_panel(
    axes: Axes, label: str, curves: Sequence[tuple[str, str, str, Sequence[float]]]
) -> None:
    """Draws curves of (name, colour, marker, value per epoch); a curve without values is left out."""
    count = len(curves[0][3])
    for name, colour, marker, values in curves:
        if len(values):
            axes.plot(
                range(1, count + 1),
                values,
                color=colour,
                marker=marker if count <= 2 * _DECADE else "",
                markersize=4.5,
                label=f"{name}, last {values[-1]:.3g}" if name else "",
            )
    drawn = np.array([value for *_, values in curves for value in values], dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) and drawn.min() > 0 and drawn.max() / drawn.min() > _DECADE:
        axes.set_yscale("log")
        label += ", log scale"
    _plain(axes)
    axes.set_title(label, loc="left", fontsize=11, color=_INK)
    if curves[0][0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=2, frameon=False)
    axes.set_xlim(1 - max(0.02 * count, 0.1), count + max(0.02 * count, 0.1))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    axes.yaxis.set_minor_locator(NullLocator())


def _cell_colours(wrong: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns RGB [10, 10, 3]: white for no mistakes, then orange by number; the diagonal blue."""
    share = (wrong / max(int(wrong.max()), 1))[:, :, None]
    light, dark = np.array([1.0, 0.93, 0.86]), np.array([0.70, 0.26, 0.0])
    colours = np.where(share > 0, light + (dark - light) * share, 1.0)
    colours[np.diag_indices(len(wrong))] = (0.90, 0.95, 0.98)
    return colours


def _row_notes(axes: Axes, confusion: NDArray[np.int64]) -> None:
    """Writes right of each row how much of this digit was recognised."""
    right = len(confusion) - 0.3
    axes.text(right, -0.75, "Recognised", fontsize=10, color=_GREY)
    for row, count in enumerate(confusion.sum(axis=1)):
        share = f"{100 * confusion[row, row] / count:.2f} %" if count else "no images"
        axes.text(right, row, share, va="center", fontsize=11, color=_INK)


def _paste(canvas: NDArray[np.uint8], ink: NDArray[Any], top: int, left: int, scale: int) -> None:
    """Writes a digit (ink 0-1) into the canvas, dark on a light tile, enlarged by whole pixels."""
    tile = np.clip(244 * (1 - ink), 0, 244).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    canvas[top : top + len(tile), left : left + len(tile)] = tile


def _show(axes: Axes, canvas: NDArray[np.uint8]) -> None:
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()


def _lean(points: float) -> str:
    """Names the side on which confidence misses accuracy, by percentage points."""
    return f"{'over' if points > 0 else 'under'}confident by {abs(points):.2f} points"


def _accuracy_bars(
    accuracy: NDArray[np.float64], counts: NDArray[np.int64]
) -> tuple[list[float], list[float]]:
    """Returns how far the Wilson intervals reach below and above the accuracies, in points."""
    low, high = [], []
    for share, count in zip(accuracy, counts, strict=True):
        interval = wilson_interval(round(share * count / 100), int(count))
        low.append(max(share - 100 * interval.low, 0.0))
        high.append(max(100 * interval.high - share, 0.0))
    return low, high


def _counts_panel(axes: Axes, counts: NDArray[np.int64]) -> None:
    width = 100 / len(counts)
    centres = (np.arange(len(counts)) + 0.5) * width
    axes.bar(centres, counts, width=0.9 * width, color="#9ec5e0", bottom=0)
    for centre, count in zip(centres, counts, strict=True):
        if count:
            axes.text(centre, count * 1.15, f"{count:,}", ha="center", fontsize=9, color=_INK)
    axes.set_yscale("log")
    axes.set(xlim=(0, 101), ylim=(0.7, max(int(counts.max()), 1) * 4))
    _plain(axes)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title("Images, log scale", loc="left", fontsize=11, color=_INK)
    axes.set_xlabel("Confidence: probability of the predicted digit (%)", color=_INK)
