"""Name -> optimizer; name -> schedule.

A schedule is a pure function from the share of the training that is done to a factor on the
learning rate, so a resumed run meets the very rates of an uninterrupted one.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from mnist_exp.models.networks import LOGITS

Schedule = Callable[[tf.Tensor], tf.Tensor]


def constant() -> Schedule:
    """The learning rate stays as it is."""
    schedule: Schedule = tf.ones_like
    return schedule


def cosine(*, warmup_fraction: float, final_fraction: float) -> Schedule:
    """A linear rise, then half a cosine down (Loshchilov and Hutter 2017, arXiv:1608.03983).

    Args:
        warmup_fraction: the share of all steps spent rising from 0.
        final_fraction: the last factor, as a share of the peak.

    Returns:
        The schedule.
    """
    return _rise_and_fall(warmup_fraction, 0.0, final_fraction, _linear)


def one_cycle(
    *, warmup_fraction: float, initial_fraction: float, final_fraction: float
) -> Schedule:
    """A cosine up, then a cosine down (Smith and Topin 2018, arXiv:1708.07120, in cosine form).

    Args:
        warmup_fraction: the share of all steps spent rising.
        initial_fraction: the first factor, as a share of the peak.
        final_fraction: the last factor, as a share of the peak.

    Returns:
        The schedule.
    """
    return _rise_and_fall(warmup_fraction, initial_fraction, final_fraction, _half_cosine)


def muon(*, learning_rate: float, momentum: float, weight_decay: float) -> keras.Optimizer:
    """Muon for kernels, AdamW for biases, batch norm and the last layer, at one learning rate.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; its updates
    are brought to the size of Adam's as in Liu et al. 2025, arXiv:2502.16982.

    Args:
        learning_rate: the peak.
        momentum: the decay of Muon's moving average of gradients.
        weight_decay: decoupled, of all weights.

    Returns:
        The optimizer.
    """
    return _KernelMuon(
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
    )


class _KernelMuon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, which takes matrices only, for kernels of convolutions too.

    A kernel [height, width, in, out] is the matrix [height * width * in, out] that multiplies a
    patch of the image, as in Jordan's own code.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) <= 1 or variable.path.split("/")[-2:-1] == [LOGITS]

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        matrix = tf.reshape(x, [-1, x.shape[-1]])
        return tf.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(super().lr_adjust(tf.reshape(x, [-1, x.shape[-1]])), x.shape)


# Their arguments are the keys of conf/optimizer/.
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,  # Kingma and Ba 2015, arXiv:1412.6980
    "adamw": keras.optimizers.AdamW,  # Loshchilov and Hutter 2019, arXiv:1711.05101
    "muon": muon,
}
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "cosine": cosine,
    "one_cycle": one_cycle,
}


def _linear(x: tf.Tensor) -> tf.Tensor:
    return x


def _half_cosine(x: tf.Tensor) -> tf.Tensor:
    return 0.5 - 0.5 * tf.cos(math.pi * x)


def _rise_and_fall(warmup: float, initial: float, final: float, rise: Schedule) -> Schedule:
    def schedule(done: tf.Tensor) -> tf.Tensor:
        up = initial + (1 - initial) * rise(done / max(warmup, 1e-9))
        down = 1 + (final - 1) * _half_cosine((done - warmup) / max(1 - warmup, 1e-9))
        return tf.where(done < warmup, up, down)

    return schedule
