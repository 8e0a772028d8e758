"""The built-in losses.

Every function returns `loss(targets, logits)`, of float32 [batch, 10] each, a float32 [batch]. A
target is the share of each class in an image: one, but where an augmentation mixes images.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mnist_exp.config.components import loss
from mnist_exp.config.fields import BelowOne, NonNegative
from mnist_exp.core.digits import CLASSES

if TYPE_CHECKING:
    import tensorflow as tf

Loss = Callable[["tf.Tensor", "tf.Tensor"], "tf.Tensor"]
ClassWeights = Annotated[
    tuple[NonNegative, ...], Field(min_length=CLASSES, max_length=CLASSES)
]  # of the digits 0 to 9


@loss("cross_entropy")
def cross_entropy(*, label_smoothing: BelowOne, class_weights: ClassWeights | None) -> Loss:
    """Cross-entropy.

    Args:
        label_smoothing: the share of each target that is spread over all classes (Szegedy et al.
            2016, arXiv:1512.00567).
        class_weights: what an image of each digit counts; None for 1.

    Returns:
        The loss.
    """
    import tensorflow as tf

    def of_images(targets: "tf.Tensor", logits: "tf.Tensor") -> "tf.Tensor":
        smooth = targets
        if label_smoothing:
            smooth = targets * (1 - label_smoothing) + label_smoothing / CLASSES
        losses = tf.nn.softmax_cross_entropy_with_logits(smooth, logits)
        return _weighted(losses, targets, class_weights)

    return of_images


@loss("focal")
def focal(*, focus: NonNegative, class_weights: ClassWeights | None) -> Loss:
    """Cross-entropy that counts images less, the surer the network is of them.

    Lin et al. 2017, "Focal loss for dense object detection", arXiv:1708.02002, of ten classes.

    Args:
        focus: the power that the share of doubt is raised to; 0 gives cross-entropy.
        class_weights: what an image of each digit counts; None for 1.

    Returns:
        The loss.
    """
    import tensorflow as tf

    def of_images(targets: "tf.Tensor", logits: "tf.Tensor") -> "tf.Tensor":
        logs = tf.nn.log_softmax(logits)
        # The least is above 0, where the gradient of the power would be infinite.
        doubt = tf.maximum(1 - tf.exp(logs), 1e-6) ** focus
        return _weighted(-tf.reduce_sum(targets * doubt * logs, axis=1), targets, class_weights)

    return of_images


def _weighted(
    losses: "tf.Tensor", targets: "tf.Tensor", class_weights: ClassWeights | None
) -> "tf.Tensor":
    import tensorflow as tf

    if class_weights is None:
        return losses
    return losses * tf.linalg.matvec(targets, tf.constant(class_weights, tf.float32))
