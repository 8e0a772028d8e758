"""Name -> optimizer; name -> schedule.

A schedule is a pure function from the share of the training that is done to a factor on the
learning rate, so a resumed run meets the very rates of an uninterrupted one.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

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


# Their arguments are the keys of conf/optimizer/.
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,  # Kingma and Ba 2015, arXiv:1412.6980
    "adamw": keras.optimizers.AdamW,  # Loshchilov and Hutter 2019, arXiv:1711.05101
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
