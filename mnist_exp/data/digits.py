"""`data=digits`: 1,797 real handwritten digits that come with scikit-learn and need no network.

They are 8x8 images with 17 grey levels, from the test part of the UCI set "Optical Recognition of
Handwritten Digits" (Alpaydin and Kaynak, 1998); here they are brought to the form of MNIST.
"""

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE, SIDE
from mnist_exp.data.splits import Official, Split

_SMALL = 8  # pixels a side of what scikit-learn has
_LARGE = 20  # pixels that a digit is high, as in MNIST
_LEVELS = 16  # the brightest ink of scikit-learn's images
_UNIT = 2000  # every weight of the interpolation is a whole number of 1 / _UNIT
_TEST_SHARE = 5  # one in so many images of each digit is a test image


def load() -> Official:
    """Returns scikit-learn's digits as 28x28 images, with test images that no seed chooses.

    The test set is the last fifth of the images of each digit, in the order of the file. Neighbours
    in the file are often of one writer, whom a random choice would put in both sets.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    labels = bundle.target.astype(np.uint8)
    images = enlarge(bundle.images.astype(np.int64))
    in_test = np.zeros(len(labels), dtype=np.bool_)
    for digit in range(CLASSES):
        of_digit = np.flatnonzero(labels == digit)
        in_test[of_digit[-(len(of_digit) // _TEST_SHARE) :]] = True
    train = Split(images[~in_test], labels[~in_test])
    return Official(train, Split(images[in_test], labels[in_test]), "sklearn.datasets.load_digits")


def enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Enlarges 8x8 digits to a height of 20 pixels and centres their ink in 28x28, as MNIST does.

    Args:
        images: int64 [N, 8, 8], 0-16.

    Returns:
        uint8 [N, 28, 28], 0-255. The arithmetic is exact, so the bytes are the same everywhere.
    """
    weights = _cubic_weights()
    large = weights @ images @ weights.T
    # Interpolation alone leaves grey fog; the middle half of its range becomes the whole range.
    full = _LEVELS * _UNIT**2
    ink = np.clip((large * 2 - full // 2) * 255 // full, 0, 255).astype(np.uint8)
    # The margin lets any centre of ink in the middle of the digit's box be moved to the centre.
    margin = SIDE - _LARGE
    tops = _offsets(ink.sum(axis=2, dtype=np.int64), margin)
    lefts = _offsets(ink.sum(axis=1, dtype=np.int64), margin)
    canvas = np.zeros((len(images), *IMAGE_SHAPE), dtype=np.uint8)
    for image, digit, top, left in zip(canvas, ink, tops, lefts, strict=True):
        image[top : top + _LARGE, left : left + _LARGE] = digit
    return canvas


def _offsets(profile: NDArray[np.int64], margin: int) -> NDArray[np.int64]:
    """Returns int64 [N]: where a box of ink [N, 20] starts, for its mass to be in the middle."""
    mass = np.maximum(profile.sum(axis=1), 1)
    centre = (profile * (2 * np.arange(_LARGE) + 1)).sum(axis=1) // (2 * mass)
    offsets: NDArray[np.int64] = np.clip(SIDE // 2 - centre, 0, margin)
    return offsets


def _cubic_weights() -> NDArray[np.int64]:
    """Returns int64 [20, 8]: cubic convolution (Keys, 1981, a = -1/2) in units of 1 / 2000.

    Pixels are areas: the centre of the large pixel i lies at (i + 1/2) 8/20 - 1/2. Beyond the edge
    there is no ink.
    """
    centres = (np.arange(_LARGE) + 0.5) * _SMALL / _LARGE - 0.5
    # From two pixels away on the weight is 0, as `far` is at 2.
    distance = np.minimum(np.abs(centres[:, None] - np.arange(_SMALL)), 2)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, far)
    whole: NDArray[np.int64] = np.rint(weights * _UNIT).astype(np.int64)
    return whole
