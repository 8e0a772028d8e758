"""Places in images, and random numbers: what augmentations are made of."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from mnist_exp.core.digits import SIDE

_MOST_STRETCH = 3.0  # of a rectangle's height over its width, and of the inverse


def random_transforms(
    max_rotation_degrees: float,
    max_zoom: float,
    max_shear_degrees: float,
    max_shift_pixels: float,
) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Returns what draws the six rows, float32 [batch] each, that `transform` takes."""
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


def transform(images: tf.Tensor, rows: Sequence[tf.Tensor]) -> tf.Tensor:
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


def blur_matrix(smoothness: float) -> np.ndarray:
    """A Gaussian blur along one axis as float32 [28, 28]; white noise of deviation 1 keeps it."""
    x = np.arange(SIDE)
    kernel = np.exp(-0.5 * ((x[:, None] - x[None, :]) / smoothness) ** 2)
    blur: np.ndarray = kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
    return blur.astype(np.float32)


def sample(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
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


def rectangles(shares: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns a random rectangle for each image, 1 inside and 0 outside.

    Args:
        shares: of an image that it covers, where it does not reach beyond, float32 [batch].
        seed: int32 [2].

    Returns:
        float32 [batch, 28, 28, 1].
    """
    count = tf.shape(shares)[0]
    x, y, form = tf.unstack(tf.random.stateless_uniform([3, count], seed)[..., None, None])
    stretch = tf.exp((2 * form - 1) * math.log(_MOST_STRETCH) / 2)  # height over width: its square
    half = SIDE / 2 * tf.sqrt(shares)[:, None, None]
    grid = tf.range(SIDE, dtype=tf.float32) + 0.5
    inside_x = tf.abs(grid[None, None, :] - SIDE * x) < half / stretch
    inside_y = tf.abs(grid[None, :, None] - SIDE * y) < half * stretch
    return tf.cast(inside_x & inside_y, tf.float32)[..., None]


def beta(count: tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws from Beta(alpha, alpha), float32 [count]."""
    one, other = tf.unstack(tf.random.stateless_gamma([2, count], seed, alpha))
    return one / tf.maximum(one + other, 1e-30)


def permutation(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the numbers from 0 to `count` - 1 in random order, int32 [count]."""
    return tf.argsort(tf.random.stateless_uniform([count], seed))
