"""The plots of a run, drawn by the process beside this one while TensorFlow does the rest."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from mnist_exp.core import sidecar
from mnist_exp.core.sidecar import Sidecar
from mnist_exp.evaluation.metrics import Evaluation


@dataclass(frozen=True, eq=False)
class Subject:
    """What the plots of a run show."""

    history: Mapping[str, Sequence[float]]  # metric -> one value an epoch; may be empty
    result: Evaluation  # of the test images
    images: np.ndarray  # uint8 [N, 28, 28], tested
    originals: np.ndarray  # uint8 [k, 28, 28]
    augmented: np.ndarray  # float32 [k, m, 28, 28]


class Drawing:
    """Plots in the making."""

    def __init__(self, subject: Subject) -> None:
        """Begins to draw."""
        self._subject = subject
        self._drawn: Future[dict[str, bytes]] = Sidecar.current().submit(draw, subject)

    def plots(self) -> dict[str, bytes]:
        """Waits for the plots: name -> PNG file."""
        if self._drawn.exception() is None:
            return self._drawn.result()
        return draw(self._subject)  # the process died, or the error is told better here


def prepare() -> None:
    """Has the process import matplotlib before anything is to be drawn."""
    Sidecar.current().submit(_prepare)


def _prepare() -> None:
    load()  # a module is no answer that could be sent


def load() -> Any:
    """Imports the plots, and matplotlib with them."""
    with sidecar.importing:
        from mnist_exp import plots
    return plots


def draw(subject: Subject) -> dict[str, bytes]:
    """Draws every plot of a run: name -> PNG file."""
    plots, result = load(), subject.result
    figures: dict[str, Callable[[], Any]] = {
        "confusion_matrix": lambda: plots.confusion_matrix(result.confusion),
        "misclassified": lambda: plots.misclassified(
            subject.images, result.labels, result.probabilities
        ),
        "reliability": lambda: plots.reliability(result.calibration, result.ece),
        "augmentation_preview": lambda: plots.augmentation_preview(
            subject.originals, subject.augmented
        ),
    }
    if subject.history:  # the members of an ensemble have theirs
        figures["learning_curves"] = lambda: plots.learning_curves(subject.history)
    return {name: _png(plots, figure()) for name, figure in figures.items()}


def _png(plots: Any, figure: Any) -> bytes:
    file = BytesIO()
    plots.save(figure, file)
    return file.getvalue()
