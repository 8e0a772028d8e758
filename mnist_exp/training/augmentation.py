"""Random changes of training images, in the graph, on the whole batch.

Every function returns `augment(images, seed) -> images` over float32 [batch, 28, 28, 1]. It is
stateless: the same seed (int32 [2]) gives the same images, so a resumed run sees what an
uninterrupted one would. What moves in from outside the image is background, 0.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from mnist_exp.core.digits import SIDE

Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_STRIKE_LENGTH = 28.0  # of the longest line across a digit, in pixels
_STRIKE_OFFSET = 3.0  # of its middle from that of the image, at most, along each axis


def none() -> Augmentation:
    """Leaves the images as they are."""

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        del seed
        return images

    return augment


def shift(*, max_shift_pixels: int) -> Augmentation:
    """Moves each image by whole pixels, sideways and up or down.

    Args:
        max_shift_pixels: the largest move along each axis.

    Returns:
        The augmentation.
    """

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        moves = tf.random.stateless_uniform(
            [tf.shape(images)[0], 2], seed, -max_shift_pixels, max_shift_pixels + 1, tf.int32
        )
        moves = tf.cast(moves, tf.float32)
        ones, zeros = tf.ones_like(moves[:, 0]), tf.zeros_like(moves[:, 0])
        return _transform(images, [ones, zeros, moves[:, 0], zeros, ones, moves[:, 1]])

    return augment


def affine(
    *,
    max_rotation_degrees: float,
    max_zoom: float,
    max_shear_degrees: float,
    max_shift_pixels: float,
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
    draw = _random_transforms(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return _transform(images, draw(tf.shape(images)[0], seed))

    return augment


def elastic(
    *,
    displacement_pixels: float,
    smoothness_pixels: float,
    max_rotation_degrees: float,
    max_zoom: float,
    max_shear_degrees: float,
    max_shift_pixels: float,
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
    draw = _random_transforms(max_rotation_degrees, max_zoom, max_shear_degrees, max_shift_pixels)
    blur = tf.constant(_blur_matrix(smoothness_pixels))
    grid = tf.range(SIDE, dtype=tf.float32)

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        first, second = tf.unstack(tf.random.split(seed, 2))
        count = tf.shape(images)[0]
        noise = tf.random.stateless_normal([count, 2, SIDE, SIDE], second)
        field = displacement_pixels * (blur @ noise @ tf.transpose(blur))
        # Sampled once, where both changes lead: each sampling blurs.
        y, x = grid[:, None] + field[:, 0], grid[None, :] + field[:, 1]
        a, b, c, d, e, f = (row[:, None, None] for row in draw(count, first))
        return _sample(images, d * x + e * y + f, a * x + b * y + c)

    return augment


def struck(
    *,
    strike_probability: float,
    max_strike_width_pixels: float,
    max_rotation_degrees: float,
    max_zoom: float,
    max_shear_degrees: float,
    max_shift_pixels: float,
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
    change = affine(
        max_rotation_degrees=max_rotation_degrees,
        max_zoom=max_zoom,
        max_shear_degrees=max_shear_degrees,
        max_shift_pixels=max_shift_pixels,
    )
    centre = (SIDE - 1) / 2
    grid = tf.range(SIDE, dtype=tf.float32) - centre

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
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


AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "none": none,
    "shift": shift,
    "affine": affine,
    "elastic": elastic,
    "struck": struck,
}


def _random_transforms(
    max_rotation_degrees: float,
    max_zoom: float,
    max_shear_degrees: float,
    max_shift_pixels: float,
) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Returns what draws the six rows, float32 [batch] each, that `_transform` takes."""
    limits = (
        math.radians(max_rotation_degrees),
        math.radians(max_shear_degrees),
        max_zoom,
        max_zoom,
        max_shift_pixels,
        max_shift_pixels,
    )

    def draw(count: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        draws = tf.random.stateless_uniform([count, len(limits)], seed, -1.0, 1.0)
        angle, shear, zoom_x, zoom_y, move_x, move_y = tf.unstack(draws * limits, axis=1)
        # Output pixels are mapped back to input pixels: [a b; d e] = rotation . shear . scale.
        cos, sin, slant = tf.cos(angle), tf.sin(angle), tf.tan(shear)
        a, b = cos / (1 + zoom_x), (cos * slant - sin) / (1 + zoom_y)
        d, e = sin / (1 + zoom_x), (sin * slant + cos) / (1 + zoom_y)
        centre = (SIDE - 1) / 2
        c = centre - a * centre - b * centre + move_x
        f = centre - d * centre - e * centre + move_y
        return [a, b, c, d, e, f]

    return draw


def _transform(images: tf.Tensor, rows: Sequence[tf.Tensor]) -> tf.Tensor:
    """Samples each image at (a x + b y + c, d x + e y + f) for its output pixel (x, y)."""
    zeros = tf.zeros_like(rows[0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([*rows, zeros, zeros], axis=1),
        output_shape=tf.constant([SIDE, SIDE]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _blur_matrix(smoothness: float) -> np.ndarray:
    """A Gaussian blur along one axis as float32 [28, 28]; white noise of deviation 1 keeps it."""
    x = np.arange(SIDE)
    kernel = np.exp(-0.5 * ((x[:, None] - x[None, :]) / smoothness) ** 2)
    blur: np.ndarray = kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
    return blur.astype(np.float32)


def _sample(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Samples images bilinearly at places [batch, 28, 28], in pixels."""
    # A border of background on every side answers for all that lies outside.
    y = tf.clip_by_value(y, -1.0, float(SIDE)) + 1
    x = tf.clip_by_value(x, -1.0, float(SIDE)) + 1
    width = SIDE + 3
    flat = tf.reshape(tf.pad(images[..., 0], [[0, 0], [1, 2], [1, 2]]), [-1, width * width])
    top, left = tf.floor(y), tf.floor(x)
    down, right = y - top, x - left
    corner = tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)

    def pixel(offset: int) -> tf.Tensor:
        index = tf.reshape(corner + offset, [-1, SIDE * SIDE])
        return tf.reshape(tf.gather(flat, index, batch_dims=1), tf.shape(y))

    upper = pixel(0) * (1 - right) + pixel(1) * right
    lower = pixel(width) * (1 - right) + pixel(width + 1) * right
    return (upper * (1 - down) + lower * down)[..., None]
