"""The built-in metrics beside accuracy, loss and calibration, which every run has.

Every function takes probabilities float32 [N, 10] and labels uint8 [N], and returns a number.
"""

from typing import TYPE_CHECKING

from mnist_exp.config.components import metric
from mnist_exp.core.digits import CLASSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@metric("macro_f1")
def macro_f1(probabilities: "NDArray[np.float32]", labels: "NDArray[np.uint8]") -> float:
    """The mean of the F1 scores of the digits, 0-1; of one that is never seen nor named, left out.

    F1 is the harmonic mean of precision and recall (van Rijsbergen 1979).
    """
    import numpy as np

    predictions = probabilities.argmax(axis=1)
    right = np.bincount(labels[predictions == labels], minlength=CLASSES)
    met = np.bincount(labels, minlength=CLASSES) + np.bincount(predictions, minlength=CLASSES)
    return float(np.mean(2 * right[met > 0] / met[met > 0]))


@metric("top_2")
def top_2(probabilities: "NDArray[np.float32]", labels: "NDArray[np.uint8]") -> float:
    """The share of images whose digit is among the two likeliest, 0-1."""
    import numpy as np

    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    return float((likeliest == labels[:, None]).any(axis=1).mean())
