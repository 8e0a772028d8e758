"""When a model should answer at all: the least confidence, chosen on validation images.

Selective classification after Geifman and El-Yaniv, "Selective classification for deep neural
networks", NeurIPS 2017: of all thresholds on the greatest probability whose answers are wrong at
most once in a thousand, the one that leaves the fewest images unanswered.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ERRORS = 0.001  # of the answers
THRESHOLD = "selective/threshold"


@dataclass(frozen=True)
class Selection:
    """A threshold, and what it came to on the images that chose it."""

    threshold: float  # the least confidence of an answer; above 1 where no answer can be trusted
    coverage: float  # share of the images that are answered
    error: float  # share of wrong ones among the answers; 0 where there are none

    def metrics(self) -> dict[str, float]:
        """Returns what a run records of it."""
        return {
            THRESHOLD: self.threshold,
            "selective/coverage": self.coverage,
            "selective/error": self.error,
        }


def select(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> Selection:
    """Chooses the least confidence at which a model should answer.

    Args:
        probabilities: float32 [N, 10]; not a number where the model diverged.
        labels: uint8 [N].

    Returns:
        The threshold. With few images its error is known as roughly as they are few.
    """
    confidence = np.nan_to_num(probabilities.max(axis=1), nan=-1.0)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(probabilities.argmax(axis=1)[order] != labels[order])
    answered = np.arange(1, len(order) + 1)
    ranked = confidence[order]
    last_of_equals = np.append(ranked[1:] < ranked[:-1], True)  # equal ones are answered together
    good = np.flatnonzero((wrong <= MOST_ERRORS * answered) & last_of_equals & (ranked >= 0))
    if not len(good):
        return Selection(float(np.nextafter(np.float32(1), np.float32(2))), 0.0, 0.0)
    last = good[-1]
    return Selection(
        float(ranked[last]), float(answered[last] / len(order)), float(wrong[last] / answered[last])
    )
