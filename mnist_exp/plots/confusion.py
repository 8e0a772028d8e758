"""Which digits were taken for which."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnist_exp.plots.frame import GREY, INK, WHITE_FROM, add_axes, framed


def confusion_matrix(confusion: NDArray[np.int64]) -> Figure:
    """Draws how often each digit was taken for each other.

    Args:
        confusion: int64 [10, 10], rows are true digits, columns predictions.
    """
    figure = framed(
        790,
        confusion_title(confusion),
        "Mistakes are coloured by their number; empty cells never occurred.",
    )
    size = len(confusion)
    wrong = confusion * (1 - np.eye(size, dtype=np.int64))
    axes = add_axes(figure, 75, 60, 640, 640)
    axes.imshow(_cell_colours(wrong))
    for row, column in np.argwhere(confusion):
        axes.text(
            column,
            row,
            f"{confusion[row, column]:,}",
            ha="center",
            va="center",
            fontsize=11,
            color="white" if wrong[row, column] > WHITE_FROM * wrong.max() else INK,
            weight="normal" if row == column else "bold",
        )
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color="#dddddd", linewidth=0.8, clip_on=False)
    axes.vlines(edges, -0.5, size - 0.5, color="#dddddd", linewidth=0.8, clip_on=False)
    axes.set(xticks=range(size), yticks=range(size))
    axes.set_xlabel("Predicted digit", color=INK)
    axes.set_ylabel("True digit", color=INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=11, labelcolor=INK)
    _write_recall(axes, confusion)
    return figure


def confusion_title(confusion: NDArray[np.int64]) -> str:
    """Returns the finding: how many are wrong."""
    total, correct = int(confusion.sum()), int(confusion.trace())
    share = 100 * correct / total
    return f"Confusion matrix: {total - correct:,} of {total:,} wrong ({share:.2f} % correct)"


def _cell_colours(wrong: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns RGB [10, 10, 3]: white for no mistakes, then orange by number; the diagonal blue."""
    share = (wrong / max(int(wrong.max()), 1))[:, :, None]
    light, dark = np.array([1.0, 0.93, 0.86]), np.array([0.70, 0.26, 0.0])
    colours = np.where(share > 0, light + (dark - light) * share, 1.0)
    colours[np.diag_indices(len(wrong))] = (0.90, 0.95, 0.98)
    return colours


def _write_recall(axes: Axes, confusion: NDArray[np.int64]) -> None:
    """Writes right of each row how much of this digit was recognised."""
    right = len(confusion) - 0.3
    axes.text(right, -0.75, "Recognised", fontsize=10, color=GREY)
    for row, count in enumerate(confusion.sum(axis=1)):
        share = f"{100 * confusion[row, row] / count:.2f} %" if count else "no images"
        axes.text(right, row, share, va="center", fontsize=11, color=INK)
