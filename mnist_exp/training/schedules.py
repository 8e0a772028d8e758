"""The built-in schedules of the learning rate.

A schedule is a pure function from the share of the training that is done to a factor on the
learning rate, so a resumed run meets the very rates of an uninterrupted one.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mnist_exp.config.components import schedule
from mnist_exp.config.fields import Fraction

if TYPE_CHECKING:
    import tensorflow as tf

Schedule = Callable[["tf.Tensor"], "tf.Tensor"]  # share done, float32 -> factor


@schedule("constant")
def constant() -> Schedule:
    """The learning rate stays as it is."""
    import tensorflow as tf

    factor: Schedule = tf.ones_like
    return factor


@schedule("cosine")
def cosine(*, warmup_fraction: Fraction, final_fraction: Fraction) -> Schedule:
    """A linear rise, then half a cosine down (Loshchilov and Hutter 2017, arXiv:1608.03983).

    Args:
        warmup_fraction: the share of all steps spent rising from 0.
        final_fraction: the last factor, as a share of the peak.

    Returns:
        The schedule.
    """
    return _rise_and_fall(warmup_fraction, 0.0, final_fraction, _linear)


@schedule("one_cycle")
def one_cycle(
    *, warmup_fraction: Fraction, initial_fraction: Fraction, final_fraction: Fraction
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


def _linear(x: "tf.Tensor") -> "tf.Tensor":
    return x


def _half_cosine(x: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return 0.5 - 0.5 * tf.cos(math.pi * x)


def _rise_and_fall(warmup: float, initial: float, final: float, rise: Schedule) -> Schedule:
    import tensorflow as tf

    def factor(done: "tf.Tensor") -> "tf.Tensor":
        up = initial + (1 - initial) * rise(done / max(warmup, 1e-9))
        down = 1 + (final - 1) * _half_cosine((done - warmup) / max(1 - warmup, 1e-9))
        return tf.where(done < warmup, up, down)

    return factor
