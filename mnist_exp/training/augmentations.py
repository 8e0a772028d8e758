"""The built-in augmentations: random changes of training images, in the graph, on the whole batch.

Every function returns `augment(images, seed) -> images` over float32 [batch, 28, 28, 1]. It is
stateless: the same seed (int32 [2]) gives the same images, so a resumed run sees what an
uninterrupted one would. What moves in from outside the image is background, 0.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mnist_exp.config.components import augmentation
from mnist_exp.config.fields import BelowOne, Fraction, NonNegative, Positive, Shift
from mnist_exp.core.digits import SIDE

if TYPE_CHECKING:
    import tensorflow as tf

Augmentation = Callable[["tf.Tensor", "tf.Tensor"], "tf.Tensor"]
# Of those that make one image of several: (images, targets, seed) -> (images, targets), a target
# float32 [batch, 10] with the share of each class.
Mixing = Callable[["tf.Tensor", "tf.Tensor", "tf.Tensor"], "tuple[tf.Tensor, tf.Tensor]"]
Rotation = Annotated[float, Field(ge=0, le=180)]
Shear = Annotated[float, Field(ge=0, lt=90)]

_STRIKE_LENGTH = 28.0  # of the longest line across a digit, in pixels
_STRIKE_OFFSET = 3.0  # of its middle from that of the image, at most, along each axis


@augmentation("none")
def none() -> Augmentation:
    """Leaves the images as they are."""

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        del seed
        return images

    return augment


@augmentation("shift")
def shift(*, max_shift_pixels: Annotated[int, Field(ge=0, lt=SIDE)]) -> Augmentation:
    """Moves each image by whole pixels, sideways and up or down.

    Args:
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    from mnist_exp.training import sampling

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        moves = tf.random.stateless_uniform(
            [tf.shape(images)[0], 2], seed, -max_shift_pixels, max_shift_pixels + 1, tf.int32
        )
        moves = tf.cast(moves, tf.float32)
        ones, zeros = tf.ones_like(moves[:, 0]), tf.zeros_like(moves[:, 0])
        return sampling.transform(images, [ones, zeros, moves[:, 0], zeros, ones, moves[:, 1]])

    return augment


@augmentation("affine")
def affine(
    *,
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Augmentation:
    """Turns, scales, slants and moves each image about its centre, with bilinear sampling.

    Each amount is drawn uniformly from -max to max; the zoom of each axis from 1 - max to 1 + max.

    Args:
        max_rotation_degrees: the largest turn.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant of the vertical axis.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    return _moved(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)


@augmentation("elastic")
def elastic(
    *,
    displacement_pixels: NonNegative,
    smoothness_pixels: Annotated[float, Field(gt=0, le=SIDE)],
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Augmentation:
    """Bends each image by a smooth random field after an affine change.

    The field is Gaussian noise blurred with a Gaussian, as in Simard, Steinkraus and Platt, "Best
    practices for convolutional neural networks applied to visual document analysis", ICDAR 2003.

    Args:
        displacement_pixels: the standard deviation of the displacement of a pixel along each axis.
        smoothness_pixels: the standard deviation of the blur.
        max_rotation_degrees: as in `affine`, and so are the other three.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    from mnist_exp.training import sampling

    draw = sampling.random_transforms(
        max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels
    )
    blur = tf.constant(sampling.blur_matrix(smoothness_pixels))
    grid = tf.range(SIDE, dtype=tf.float32)

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        first, second = tf.unstack(tf.random.split(seed, 2))
        count = tf.shape(images)[0]
        noise = tf.random.stateless_normal([count, 2, SIDE, SIDE], second)
        field = displacement_pixels * (blur @ noise @ tf.transpose(blur))
        # Sampled once, where both changes lead: each sampling blurs.
        y, x = grid[:, None] + field[:, 0], grid[None, :] + field[:, 1]
        a, b, c, d, e, f = (row[:, None, None] for row in draw(count, first))
        return sampling.sample(images, d * x + e * y + f, a * x + b * y + c)

    return augment


@augmentation("struck")
def struck(
    *,
    strike_probability: Fraction,
    max_strike_width_pixels: Annotated[float, Field(ge=1, le=SIDE)],
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Augmentation:
    """Draws a line across some of the digits, as people strike a 0 or a 7, then an affine change.

    The line passes near the centre at any angle, and is 14 to 28 pixels long.

    Args:
        strike_probability: the share of images that get a line.
        max_strike_width_pixels: its largest width; the least is 1.
        max_rotation_degrees: as in `affine`, and so are the other three.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    change = _moved(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)
    centre = (SIDE - 1) / 2
    grid = tf.range(SIDE, dtype=tf.float32) - centre

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        first, second = tf.unstack(tf.random.split(seed, 2))
        draws = tf.random.stateless_uniform([tf.shape(images)[0], 6], second)
        chance, turn, size, width, off_x, off_y = tf.unstack(draws[..., None, None], axis=1)
        x = grid[None, None, :] - (2 * off_x - 1) * _STRIKE_OFFSET
        y = grid[None, :, None] - (2 * off_y - 1) * _STRIKE_OFFSET
        cos, sin = tf.cos(math.pi * turn), tf.sin(math.pi * turn)
        half_length = _STRIKE_LENGTH / 4 * (1 + size)
        beyond = tf.maximum(tf.abs(x * cos + y * sin) - half_length, 0)
        distance = tf.sqrt((y * cos - x * sin) ** 2 + beyond**2)
        half_width = 0.5 + width * (max_strike_width_pixels - 1) / 2
        ink = 255 * tf.clip_by_value(half_width + 0.5 - distance, 0, 1)
        ink *= tf.cast(chance < strike_probability, tf.float32)
        # In this order: sampling blurs, and a network that met sharp lines alone would learn to
        # overlook the sharp strokes of images that were not sampled.
        return change(tf.maximum(images, ink[..., None]), first)

    return augment


@augmentation("erasing")
def erasing(
    *,
    erase_probability: Fraction,
    max_erased_share: BelowOne,
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Augmentation:
    """Makes an affine change, then wipes a rectangle of some images (Zhong et al. 2020).

    "Random erasing data augmentation", arXiv:1708.04896; here what is wiped is background.

    Args:
        erase_probability: the share of images that lose a rectangle.
        max_erased_share: the largest share of an image that it covers.
        max_rotation_degrees: as in `affine`, and so are the other three.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    from mnist_exp.training import sampling

    change = _moved(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        first, second, third = tf.unstack(tf.random.split(seed, 3))
        count = tf.shape(images)[0]
        share, chance = tf.unstack(tf.random.stateless_uniform([2, count], second))
        inside = sampling.rectangles(max_erased_share * share, third)
        wiped = inside * tf.cast(chance < erase_probability, tf.float32)[:, None, None, None]
        return change(images, first) * (1 - wiped)

    return augment


@augmentation("mixup", mixes=True)
def mixup(
    *,
    alpha: Positive,
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Mixing:
    """Makes an affine change, then a weighted mean of each image and another (Zhang et al. 2018).

    "mixup: beyond empirical risk minimization", arXiv:1710.09412.

    Args:
        alpha: of the Beta(alpha, alpha) distribution of an image's weight; the smaller, the more
            one of both images leads.
        max_rotation_degrees: as in `affine`, and so are the other three.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    from mnist_exp.training import sampling

    change = _moved(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)

    def augment(
        images: "tf.Tensor", targets: "tf.Tensor", seed: "tf.Tensor"
    ) -> "tuple[tf.Tensor, tf.Tensor]":
        first, second, third = tf.unstack(tf.random.split(seed, 3))
        count = tf.shape(images)[0]
        share = sampling.beta(count, alpha, second)
        others = sampling.permutation(count, third)
        moved = change(images, first)
        weight = share[:, None, None, None]
        mixed = weight * moved + (1 - weight) * tf.gather(moved, others)
        return mixed, share[:, None] * targets + (1 - share[:, None]) * tf.gather(targets, others)

    return augment


@augmentation("cutmix", mixes=True)
def cutmix(
    *,
    alpha: Positive,
    max_rotation_degrees: Rotation,
    max_zoom: BelowOne,
    max_shear_degrees: Shear,
    max_shift_pixels: Shift,
) -> Mixing:
    """Makes an affine change, then puts a rectangle of another image into each (Yun et al. 2019).

    "CutMix: regularization strategy to train strong classifiers", arXiv:1905.04899.

    Args:
        alpha: of the Beta(alpha, alpha) distribution of the share that an image keeps.
        max_rotation_degrees: as in `affine`, and so are the other three.
        max_zoom: the largest change of size, as a share.
        max_shear_degrees: the largest slant.
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """
    import tensorflow as tf

    from mnist_exp.training import sampling

    change = _moved(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)

    def augment(
        images: "tf.Tensor", targets: "tf.Tensor", seed: "tf.Tensor"
    ) -> "tuple[tf.Tensor, tf.Tensor]":
        first, second, third, fourth = tf.unstack(tf.random.split(seed, 4))
        count = tf.shape(images)[0]
        others = sampling.permutation(count, third)
        moved = change(images, first)
        inside = sampling.rectangles(1 - sampling.beta(count, alpha, second), fourth)
        kept = 1 - tf.reduce_mean(inside, axis=[1, 2])
        mixed = moved * (1 - inside) + tf.gather(moved, others) * inside
        return mixed, kept * targets + (1 - kept) * tf.gather(targets, others)

    return augment


def _moved(*limits: float) -> Augmentation:
    """Returns an affine change, of the limits that `sampling.random_transforms` takes."""
    import tensorflow as tf

    from mnist_exp.training import sampling

    draw = sampling.random_transforms(*limits)

    def augment(images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        return sampling.transform(images, draw(tf.shape(images)[0], seed))

    return augment
