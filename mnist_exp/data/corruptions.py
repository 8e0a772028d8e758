"""Test images made harder, in 15 ways of 3 strengths each: what a model meets outside its test set.

The kind of benchmark that Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision"
(ICML workshop, 2019), published, with nine of their fifteen corruptions and six others, written
anew; so figures compare between runs here, not with theirs. Strengths were set by eye, such that a
person reads the digits at each, and by no model.

A corrupted image is a function of the image, its index, the corruption and the strength: PCG64,
the generator of NumPy, is seeded by the last two, and draws for the images in their order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from mnist_exp.core.digits import SIDE
from mnist_exp.data.warping import warped

STRENGTHS = (1, 2, 3)
SEED = 0

_MIDDLE = (SIDE - 1) / 2
_DRAWS = 4096  # steps in which the quantiles of photon counts are tabulated
_MOST_PHOTONS = 50  # nobody counts more of 12

Images = NDArray[np.uint8]  # uint8 [N, 28, 28], 0-255, ink bright
Generator = np.random.Generator
Corruption = Callable[[Images, int, Generator], Images]


def corrupt(images: Images, name: str, strength: int) -> Images:
    """Returns images corrupted, each by draws of its own.

    Args:
        images: uint8 [N, 28, 28], 0-255, ink bright.
        name: a key of `CORRUPTIONS`.
        strength: 1 to 3.

    Returns:
        uint8 [N, 28, 28]; the first k are those that the first k images alone would give.
    """
    rng = np.random.default_rng([SEED, strength, *name.encode()])
    return CORRUPTIONS[name](images, strength, rng)


# Noise


def gaussian_noise(images: Images, strength: int, rng: Generator) -> Images:
    """Adds normal noise to every pixel, as a sensor in the dark does."""
    deviation = (40, 65, 90)[strength - 1]
    return _pixels(images + deviation * rng.standard_normal(images.shape, np.float32))


def shot_noise(images: Images, strength: int, rng: Generator) -> Images:
    """Counts photons: each pixel is a Poisson draw, of few where there is little light."""
    photons, dark = (12, 6, 3.5)[strength - 1], 0.08
    # By quantiles, since a Poisson sampler uses up more or fewer draws by what it is asked for,
    # and the images behind would get others.
    expected = photons * (dark + (1 - dark) * np.arange(256) / 255)
    levels = (np.arange(_DRAWS) + 0.5) / _DRAWS
    below = special.pdtr(np.arange(_MOST_PHOTONS), expected[:, None])
    counts = np.array([np.searchsorted(chances, levels) for chances in below])
    values = _pixels(255 * (counts / photons - dark) / (1 - dark))
    return values[images, rng.integers(_DRAWS, size=images.shape)]


def impulse_noise(images: Images, strength: int, rng: Generator) -> Images:
    """Makes some pixels black and as many white."""
    share = (0.06, 0.12, 0.2)[strength - 1]
    draw = rng.random(images.shape, np.float32)
    noisy = np.where(draw < share / 2, np.uint8(0), images)
    return np.where(draw > 1 - share / 2, np.uint8(255), noisy)


# Blur


def gaussian_blur(images: Images, strength: int, rng: Generator) -> Images:
    """Blurs as a lens out of focus does."""
    del rng
    return _pixels(_blurred(images, (0.8, 1.15, 1.5)[strength - 1]))


def motion_blur(images: Images, strength: int, rng: Generator) -> Images:
    """Smears along a line of any direction, as a camera that moved does."""
    length = (2.5, 4, 5.5)[strength - 1]
    angle = rng.uniform(0, np.pi, len(images)).astype(np.float32)[:, None, None]
    size = fft.next_fast_len(SIDE + 8, real=True)  # what wraps around falls outside
    up, across = fft.fftfreq(size).astype(np.float32), fft.rfftfreq(size).astype(np.float32)
    along = np.sin(angle) * up[:, None] + np.cos(angle) * across
    smooth = np.exp(-5 * (up[:, None] ** 2 + across**2))  # or shifts by parts of pixels ring
    blur = np.sinc(length * along) * smooth
    spectrum = fft.rfft2(images.astype(np.float32), (size, size))
    return _pixels(fft.irfft2(blur * spectrum, (size, size))[:, :SIDE, :SIDE])


# Light


def contrast(images: Images, strength: int, rng: Generator) -> Images:
    """Brings all pixels nearer to the middle grey."""
    del rng
    return _pixels(127.5 + (0.6, 0.4, 0.22)[strength - 1] * (images.astype(np.float32) - 127.5))


def fog(images: Images, strength: int, rng: Generator) -> Images:
    """Lays a cloud, rough at several scales, over the image."""
    thickness = (0.35, 0.48, 0.6)[strength - 1]
    cloud = np.zeros(images.shape, np.float32)
    for part, (points, weight) in zip(rng.spawn(3), ((3, 1.0), (6, 0.5), (12, 0.25)), strict=True):
        grid = part.random((len(images), points, points), np.float32)
        cloud += weight * (_interpolation(points) @ grid @ _interpolation(points).T)
    low, high = cloud.min((1, 2), keepdims=True), cloud.max((1, 2), keepdims=True)
    return _pixels(images * (1 - thickness) + 255 * thickness * (cloud - low) / (high - low))


# Strokes


def thin_strokes(images: Images, strength: int, rng: Generator) -> Images:
    """Wears the strokes away from both sides; what is left lies around their middle lines."""
    del rng
    depth = (0.4, 0.55, 0.68)[strength - 1]
    soft = _blurred(images, 0.8)
    crest = np.maximum(ndimage.maximum_filter(soft, (1, 5, 5)), 1)
    return _pixels(images * np.clip((soft / crest - depth) / (0.9 - depth), 0, 1))


def thick_strokes(images: Images, strength: int, rng: Generator) -> Images:
    """Lets the ink run to both sides."""
    del rng
    width, gain = ((0.8, 1.5), (0.9, 2.0), (1.0, 2.6))[strength - 1]
    return np.maximum(images, _pixels(gain * _blurred(images, width)))


# Geometry


def rotate(images: Images, strength: int, rng: Generator) -> Images:
    """Turns to one side or the other."""
    angle = np.radians((15, 25, 35)[strength - 1]) * _signs(images, rng)
    cosine, sine = np.cos(angle), np.sin(angle)
    return warped(images, ((cosine, -sine), (sine, cosine)))


def shear(images: Images, strength: int, rng: Generator) -> Images:
    """Slants to one side or the other."""
    slant = (0.25, 0.45, 0.65)[strength - 1] * _signs(images, rng)
    return warped(images, ((1, 0), (slant, 1)))


def scale(images: Images, strength: int, rng: Generator) -> Images:
    """Makes the digit smaller."""
    del rng
    step = 1 / (0.75, 0.6, 0.48)[strength - 1]
    return warped(images, ((step, 0), (0, step)))


def translate(images: Images, strength: int, rng: Generator) -> Images:
    """Moves the digit by whole pixels in any direction."""
    angle = rng.uniform(0, 2 * np.pi, len(images))
    distance = (2, 3.5, 5)[strength - 1]
    shift = np.rint(distance * np.sin(angle)), np.rint(distance * np.cos(angle))
    return warped(images, ((1, 0), (0, 1)), shift)


# Covers


def occlusion(images: Images, strength: int, rng: Generator) -> Images:
    """Lays a grey square somewhere over the middle of the image."""
    size = (4, 6, 8)[strength - 1]
    corner = rng.integers(5, SIDE - 5 - size, size=(len(images), 2), endpoint=True)
    inside = (np.arange(SIDE) >= corner[..., None]) & (np.arange(SIDE) < corner[..., None] + size)
    return np.where(inside[:, 0, :, None] & inside[:, 1, None, :], np.uint8(127), images)


def zigzag(images: Images, strength: int, rng: Generator) -> Images:
    """Scrawls a bright zigzag line across the image."""
    brightness, height = ((130, 2.0), (165, 2.5), (200, 3.0))[strength - 1]
    angle, offset, phase = rng.random((len(images), 3), np.float32).T[..., None, None]
    y, x = np.indices((SIDE, SIDE), np.float32) - _MIDDLE
    turned = np.pi * angle
    along = x * np.cos(turned) + y * np.sin(turned)
    beside = y * np.cos(turned) - x * np.sin(turned) - 12 * (offset - 0.5)
    period = 8  # pixels
    wave = height * (4 * np.abs((along / period + phase) % 1 - 0.5) - 1)
    distance = np.abs(beside - wave) / np.hypot(1, 4 * height / period)
    return np.maximum(images, _pixels(brightness * np.clip(1.2 - distance, 0, 1)))


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "gaussian_blur": gaussian_blur,
    "motion_blur": motion_blur,
    "contrast": contrast,
    "fog": fog,
    "thin_strokes": thin_strokes,
    "thick_strokes": thick_strokes,
    "rotate": rotate,
    "shear": shear,
    "scale": scale,
    "translate": translate,
    "occlusion": occlusion,
    "zigzag": zigzag,
}


def _pixels(values: NDArray[Any]) -> Images:
    """Returns numbers as pixels: rounded, and cut to 0-255."""
    pixels: Images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def _blurred(images: Images, deviation: float) -> NDArray[np.float32]:
    """Returns float32 [N, 28, 28], each image smoothed by a Gaussian of so many pixels."""
    return ndimage.gaussian_filter(
        images, deviation, output=np.float32, mode="constant", axes=(1, 2)
    )


def _signs(images: Images, rng: Generator) -> NDArray[np.float64]:
    """Returns -1 or 1 for each image, float64 [N]."""
    return np.copysign(1.0, rng.random(len(images)) - 1 / 2)


def _interpolation(points: int) -> NDArray[np.float32]:
    """Returns float32 [28, points], whose product with values on a line draws a line through."""
    places = np.linspace(0, points - 1, SIDE, dtype=np.float32)[:, None]
    distances = np.abs(places - np.arange(points, dtype=np.float32))
    return np.maximum(np.float32(0), np.float32(1) - distances)
