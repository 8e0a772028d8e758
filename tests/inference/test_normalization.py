"""Digits of any pen and size in MNIST's own form; MNIST's digits as they were."""

import cv2
import numpy as np
import pytest
from drawn import STROKES, draw

from mnist_exp import data
from mnist_exp.inference.normalization import (
    LONGER_SIDE,
    NARROWEST,
    SIDE,
    USUAL,
    WIDEST,
    normalize,
    stroke_width,
)


def ink_of(image):
    return (1 - image / np.float32(255)).astype(np.float32)


def width_of(digit):
    """Returns the width of strokes of uint8 [28, 28], in its pixels."""
    large = cv2.resize(
        digit.astype(np.float32) / 255, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC
    )
    return stroke_width(large) / 8


def mass_centre(digit):
    mass = digit.astype(float)
    y, x = np.mgrid[:SIDE, :SIDE]
    return (mass * y).sum() / mass.sum(), (mass * x).sum() / mass.sum()


@pytest.fixture(scope="module")
def mnist(datasets):
    splits = data.load(
        "mnist",
        seed=0,
        validation_images=1000,
        train_images=None,
        root=str(datasets),
        mirrors=[],
        attempts=1,
        timeout_seconds=1,
    )
    return splits.validation.images


@pytest.mark.parametrize("number", STROKES)
@pytest.mark.parametrize("pen", [2, 12, 30])
def test_any_pen_gives_mnists_form(number, pen):
    digit = normalize(ink_of(draw(STROKES[number], pen=pen)))
    assert digit.shape == (SIDE, SIDE)
    assert digit.dtype == np.uint8
    rows, columns = np.nonzero(digit > 127)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (LONGER_SIDE - 1, LONGER_SIDE, LONGER_SIDE + 1)
    assert NARROWEST - 0.2 < width_of(digit) < WIDEST + 0.2
    assert np.allclose(mass_centre(digit), 14, atol=0.2)


def test_a_fine_pen_becomes_usual_and_size_is_nothing():
    forms = [
        normalize(ink_of(draw(STROKES[2], height=height, pen=height / 60)))
        for height in (60, 120, 200)
    ]
    for form in forms:
        assert abs(width_of(form) - USUAL) < 0.5
        assert np.abs(form.astype(int) - forms[-1]).mean() < 6


def test_a_ground_around_it_is_nothing():
    ink = ink_of(draw(STROKES[4]))
    assert (normalize(ink) == normalize(np.pad(ink, ((30, 5), (0, 80))))).all()


def test_one_pixel_of_ink_is_enough():
    for shape in ((1, 1), (1, 500), (500, 1), (2, 2)):
        assert normalize(np.ones(shape, np.float32)).max() > 127


def test_faint_lines_are_enough():
    for length in (10, 80, 120, 400):
        for ink in (0.51, 0.6, 0.9):
            for shape in ((1, length), (length, 1), (2, length)):
                assert normalize(np.full(shape, ink, np.float32)).max() > 100


def test_mnists_own_digits_stay_what_they_were(mnist):
    """A shift by part of a pixel is in it, since MNIST's were centred by whole pixels."""
    forms = np.stack([normalize(image / np.float32(255)) for image in mnist])
    difference = np.abs(forms.astype(int) - mnist).mean(axis=(1, 2))
    assert np.median(difference) < 12
    assert np.corrcoef(forms.ravel(), mnist.ravel())[0, 1] > 0.95
