"""Figures for the MLflow UI: data in, a matplotlib Figure out, nothing global touched.

Each title states the finding. `compare` and the sweeps draw figures of their own.
"""

from mnist_exp.plots.confusion import confusion_matrix
from mnist_exp.plots.curves import learning_curves
from mnist_exp.plots.frame import save
from mnist_exp.plots.grids import augmentation_preview, misclassified
from mnist_exp.plots.reliability import reliability

__all__ = [
    "augmentation_preview",
    "confusion_matrix",
    "learning_curves",
    "misclassified",
    "reliability",
    "save",
]
