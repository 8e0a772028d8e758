"""The ink of one digit -> MNIST's own form.

MNIST's digits were fitted into 20x20 pixels and centred by mass in 28x28 (LeCun, Bottou, Bengio
and Haffner, "Gradient-based learning applied to document recognition", 1998). A pen that is much
finer or broader than the pens of MNIST is brought to their usual width as well.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.digits import SIDE

LONGER_SIDE = 20  # pixels, of the ink
CENTRE = 14.5  # pixels from the edge: where MNIST's digits have their mean centre of mass
# Widths of strokes in MNIST's training images, in pixels: the 1st percentile, the median, the 99th.
NARROWEST, USUAL, WIDEST = 1.6, 2.7, 4.4
_EDGE = 0.5  # of full ink
_FINE = 8  # parts of a pixel's side in which widths and places are reckoned


def normalize(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Brings a digit to MNIST's form.

    Args:
        ink: float32 [H, W] of any size, 0 ground to 1 ink, some of it above 0.5.

    Returns:
        uint8 [28, 28], ink bright.
    """
    ink = _cropped(ink)
    longer = LONGER_SIDE * _FINE / max(ink.shape)
    large = ink if longer < 1 else _resized(np.pad(ink, 1), longer)
    large = large / large.max()  # a faint line is fainter still among more pixels
    width = stroke_width(large) / max(large.shape) * LONGER_SIDE
    if not NARROWEST <= width <= WIDEST:
        ink = _cropped(_redrawn(large, width))
    return _centred(_resized(ink, LONGER_SIDE * _FINE / max(ink.shape)))


def stroke_width(ink: NDArray[np.float32]) -> float:
    """Returns the mean width of strokes in pixels.

    Across a stroke, the distance to its edge is a quarter of the width on average.

    Args:
        ink: float32 [H, W], 0 ground to 1 ink.
    """
    depths = _depths(np.pad(ink > _EDGE, 1))
    inside = depths[depths > 0]
    return 4 * float(inside.mean()) if len(inside) else 0.0


def _redrawn(ink: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Draws a digit with a pen of the usual width.

    The middle of its strokes keeps its shape; the digit will be scaled so that it fits again.

    Args:
        ink: float32 [H, W].
        width: of its strokes, in pixels of the result.
    """
    middle = max(LONGER_SIDE - width, 1.0)  # the longer side without the pen
    scale = (LONGER_SIDE - USUAL) / middle
    wider = (USUAL / scale - width) / 2 * max(ink.shape) / LONGER_SIDE  # on each side, now
    mask = np.pad(ink > _EDGE, max(0, math.ceil(wider)) + 2)
    to_ground, to_ink = _depths(mask), _depths(~mask)
    height = np.where(mask, to_ground - 0.5, 0.5 - to_ink)  # above the edge
    wider = max(wider, 1 - float(to_ground.max()))  # something is left of any stroke
    drawn: NDArray[np.float32] = np.clip(height + wider + 0.5, 0, 1).astype(np.float32)
    return drawn


def _cropped(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cuts off what lies outside the ink."""
    rows, columns = (np.flatnonzero((ink > _EDGE).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(ink: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Scales by area where that makes it smaller, else by cubic splines."""
    height, width = (max(1, round(side * factor)) for side in ink.shape)
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized: NDArray[np.float32] = cv2.resize(ink, (width, height), interpolation=kind)
    return np.clip(resized, 0, 1)


def _depths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the distance of each pixel to the nearest one outside the mask, in pixels."""
    inside = mask.view(np.uint8)
    depths: NDArray[np.float32] = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return depths


def _centred(fine: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Puts a digit's centre of mass to the middle, and takes the mean over each pixel."""
    places = []
    for axis, length in enumerate(fine.shape):
        mass = fine.sum(axis=1 - axis)
        centre = float((mass * (np.arange(length) + 0.5)).sum() / mass.sum())
        places.append(min(max(round(CENTRE * _FINE - centre), 0), SIDE * _FINE - length))
    top, left = places
    height, width = fine.shape
    canvas = np.zeros((SIDE * _FINE, SIDE * _FINE), np.float32)
    canvas[top : top + height, left : left + width] = fine
    pixels = canvas.reshape(SIDE, _FINE, SIDE, _FINE).mean(axis=(1, 3))
    digit: NDArray[np.uint8] = np.rint(255 * pixels).astype(np.uint8)
    return digit
