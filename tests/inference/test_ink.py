"""Ink is found on any ground: its colour, its light, its noise."""

import numpy as np
import pytest
from drawn import STROKES, draw

from mnist_exp.inference.ink import find_ink

CLEAN = draw(STROKES[2]).astype(np.float32) / 255
INK = 1 - CLEAN
Y, X = np.mgrid[0:1:280j, 0:1:280j].astype(np.float32)
LAMP = 0.35 + 0.6 * np.exp(-((X - 0.9) ** 2 + (Y - 0.1) ** 2) / 0.5)
SHADOW = (0.5 + 0.4 / (1 + np.exp(np.clip((0.9 - X - Y) * 100, -50, 50)))).astype(np.float32)


def noise(deviation):
    return np.random.default_rng(0).normal(0, deviation, CLEAN.shape).astype(np.float32)


GROUNDS = {
    "black on white": CLEAN,
    "white on black": 1 - CLEAN,
    "grey on light grey": 0.8 - 0.3 * INK,
    "light grey on grey": 0.4 + 0.3 * INK,
    "pencil": 0.9 - 0.15 * INK,
    "lamp": LAMP * (1 - 0.8 * INK),
    "shadow": SHADOW * (1 - 0.8 * INK),
    "noise": 0.8 - 0.6 * INK + noise(0.05),
    "photo": LAMP * (1 - 0.7 * INK) + noise(0.03),
    "chalk": 0.2 + 0.6 * INK + noise(0.03),
}
BLANK = {
    "white": np.ones((50, 80)),
    "black": np.zeros((50, 80)),
    "lamp": LAMP,
    "noise": 0.8 + noise(0.05),
    "dim noise": 0.2 + noise(0.02),
}


@pytest.mark.parametrize("ground", GROUNDS)
def test_ink_is_found(ground):
    found = find_ink(np.clip(GROUNDS[ground], 0, 1).astype(np.float32))
    assert found is not None
    assert found.dtype == np.float32
    wrong = (found > 0.5) != (INK > 0.5)
    assert wrong.sum() < 0.05 * (INK > 0.5).sum()


@pytest.mark.parametrize("ground", BLANK)
def test_nothing_is_drawn_there(ground):
    found = find_ink(np.clip(BLANK[ground], 0, 1).astype(np.float32))
    assert found is None or not (found > 0.5).any()


@pytest.mark.parametrize("is_dark", [True, False])
@pytest.mark.parametrize(
    ("digit", "pen", "margin"),
    [(1, 16, 0), (2, 16, 0), (2, 22, 0), (2, 34, 4), (2, 34, 8), (4, 34, 0)],
)
def test_ink_that_fills_its_image(digit, pen, margin, is_dark):
    """As somebody cuts a digit out who wrote it with a felt-tip pen: half of it is ink."""
    ink = 1 - draw(STROKES[digit], height=100, pen=pen, at=(100, 100)).astype(np.float32) / 255
    rows, columns = (np.flatnonzero((ink > 0.5).any(axis=axis)) for axis in (1, 0))
    ink = np.pad(ink, margin)[
        rows[0] : rows[-1] + 1 + 2 * margin, columns[0] : columns[-1] + 1 + 2 * margin
    ]
    found = find_ink(0.9 - 0.8 * ink if is_dark else 0.1 + 0.8 * ink)
    assert found is not None
    assert ((found > 0.5) != (ink > 0.5)).mean() < 0.02


@pytest.mark.parametrize("margin", [10, 30, 60])
@pytest.mark.parametrize("aspect", [3, 4, 6, 8, 10])
def test_ink_at_the_beginning_of_a_wide_strip(aspect, margin):
    height = 100 + 2 * margin
    size = (aspect * height, height)
    grey = draw(STROKES[2], height=100, pen=8, at=(margin, margin), size=size) / np.float32(255)
    found = find_ink(grey)
    assert found is not None
    assert ((found > 0.5) != (grey < 0.5)).sum() < 0.1 * (grey < 0.5).sum()


@pytest.mark.parametrize("column", range(90, 110))
def test_ink_of_one_grey_over_a_faint_step_of_the_paper(column):
    grey = np.full((280, 280), 255, np.uint8)
    grey[:, column:] = 254
    grey[80:200, 60:90] = 64
    found = find_ink(grey.astype(np.float32) / np.float32(255))
    assert found is not None
    assert (found > 0.5)[80:200, 60:90].all()
