"""Grey values -> ink: what was written, whatever the light and the colours.

Paper or board, pencil or chalk, shadow or lamp: ink is what is much darker than the ground around
it, after an image with light strokes on dark ground has been turned into its negative.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_CONTRAST = 0.08  # of the brightness of the ground
LEAST_SIGNAL_TO_NOISE = 6.0
_SURVEY_SIDE = 192  # pixels: the ground changes slowly, so it is surveyed on a small copy
_WIDEST_STROKE = 0.3  # of the longer side
_SMOOTHNESS = 2.0  # pixels of the survey
_DARKEST_GROUND = 0.05
_FITTED_SIDE, _FITS = 64, 5
# An image that ink fills from side to side, as one that was cut out close to what is written.
_FILLED = 0.2, 0.6  # of the pixels
_MOST_AT_EDGES = 0.88  # as large a share as in all: a shadow across has as large a one there
_FILLED_LONG, _FILLED_SHORT = 0.8, 0.5  # of height or width, from the first ink to the last
_LEAST_STEP = 0.15  # of brightness, between ink and ground
_LEAST_DIVIDED = 0.78  # of the variance, by two classes; of a ramp, as light falls off, 0.75
_MARGIN = 0.25  # of the longer side, that such an image gets


def find_ink(grey: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Finds what is written in an image.

    Args:
        grey: float32 [H, W], 0 black to 1 white.

    Returns:
        float32 [H, W], 0 ground to 1 ink, with the soft edges of the image; None where nothing
        stands out from the ground.
    """
    survey = _survey(grey)
    ground = _ground_of_filled(survey)
    if ground is None:
        return _found(grey, survey)
    margin = round(_MARGIN * max(grey.shape))
    wider = np.pad(grey, margin, constant_values=ground)
    found = _found(wider, _survey(wider))
    return None if found is None else found[margin:-margin, margin:-margin]


def _found(grey: NDArray[np.float32], survey: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Finds ink where there is more ground; see `find_ink`."""
    dark = _ink_is_dark(survey)
    if not dark:
        grey, survey = 1 - grey, 1 - survey
    ground = _resized(_ground(survey), *grey.shape)
    darkness = (1 - grey / np.maximum(ground, _DARKEST_GROUND)).astype(np.float32)
    darkness -= np.median(darkness)  # noise lifts the ground above its mean
    noise = 1.4826 * float(np.median(np.abs(darkness)))  # the deviation, were it normal
    full = _ink_level(darkness, 4 * noise)
    if full < max(LEAST_CONTRAST, LEAST_SIGNAL_TO_NOISE * noise):
        return None
    found: NDArray[np.float32] = np.clip(darkness / np.float32(full), 0, 1)
    return found


def _ground_of_filled(survey: NDArray[np.float32]) -> np.float32 | None:
    """Returns the brightness of the ground where ink fills the image; None where it does not.

    There may be more ink than ground then, but less of it along the edges.
    """
    dark = survey < _otsu(survey.ravel())
    edge = np.ones(survey.shape, bool)
    edge[1:-1, 1:-1] = False
    ink = dark if dark[edge].mean() < dark.mean() else ~dark
    share, along_edges = ink.mean(), ink[edge].mean()
    if not (_FILLED[0] < share < _FILLED[1] and along_edges < _MOST_AT_EDGES * share):
        return None
    places = [np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0)]
    reach = [np.ptp(found) / side for found, side in zip(places, survey.shape, strict=True)]
    if max(reach) < _FILLED_LONG or min(reach) < _FILLED_SHORT:
        return None
    step = abs(survey[ink].mean() - survey[~ink].mean())
    if step < _LEAST_STEP or share * (1 - share) * step**2 < _LEAST_DIVIDED * survey.var():
        return None
    return np.float32(np.median(survey[edge & ~ink]))


def _ink_is_dark(survey: NDArray[np.float32]) -> bool:
    """Tells whether ink is darker than the ground, of which there is more.

    What deviates from a smooth surface, fitted to the larger part, is ink.
    """
    every = max(1, max(survey.shape) // _FITTED_SIDE)
    sample = survey[::every, ::every]
    height, width = sample.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    values = sample.reshape(-1).astype(np.float64)
    residual = values - np.median(values)
    for _ in range(_FITS):  # reweighted least squares, after Cauchy
        scale = max(float(np.median(np.abs(residual))), 1e-3)
        weights = 1 / (1 + (residual / (2 * scale)) ** 2)
        weighted = terms * weights[:, None]
        surface = np.linalg.lstsq(weighted.T @ terms, weighted.T @ values, rcond=None)[0]
        residual = values - terms @ surface
    return float((residual**3).sum()) <= 0


def _ground(survey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the brightness of the ground everywhere: strokes are closed, shadows stay."""
    size = max(3, round(_WIDEST_STROKE * max(survey.shape)))
    # Light that falls off towards an edge goes on falling off beyond it, or the edge would be ink.
    pad = min(size, *(side - 1 for side in survey.shape))
    beyond = np.pad(survey, pad, mode="reflect", reflect_type="odd") if pad > 0 else survey
    beyond = np.minimum(beyond, survey.max())  # beyond ink at an edge is no more than light
    window = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    closed = cv2.morphologyEx(beyond, cv2.MORPH_CLOSE, window, borderType=cv2.BORDER_REPLICATE)
    smooth: NDArray[np.float32] = cv2.GaussianBlur(closed, (0, 0), _SMOOTHNESS)
    return smooth[pad : pad + survey.shape[0], pad : pad + survey.shape[1]]


def _ink_level(darkness: NDArray[np.float32], above: float) -> float:
    """Returns how dark full ink is; 0 where nothing is darker than `above`."""
    candidates = darkness[darkness > max(above, LEAST_CONTRAST / 2)]
    if not len(candidates):
        return 0.0
    return float(np.median(candidates[candidates >= _otsu(candidates)]))


def _otsu(values: NDArray[np.float32]) -> float:
    """Returns the threshold that divides values into the two most distinct classes.

    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
    Man, and Cybernetics 9 (1979).
    """
    # In float64, since ink of one grey may span fewer float32 numbers than there are bins.
    counts, edges = np.histogram(values.astype(np.float64), 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    means_below = sums[:-1] / np.maximum(below, 1)
    means_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * (means_above - means_below) ** 2)])


def _survey(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a small copy, in which the ground is looked at."""
    factor = min(1.0, _SURVEY_SIDE / max(grey.shape))
    height, width = (max(1, round(side * factor)) for side in grey.shape)
    return _resized(grey, height, width)


def _resized(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resizes by area where the result is smaller, else bilinearly."""
    if values.shape == (height, width):
        return values
    kind = cv2.INTER_AREA if height < values.shape[0] else cv2.INTER_LINEAR
    resized: NDArray[np.float32] = cv2.resize(values, (width, height), interpolation=kind)
    return resized
