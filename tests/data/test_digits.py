import numpy as np
import pytest

from mnist_exp.data import digits


def test_a_digit_is_twenty_pixels_high():
    images = np.zeros((1, 8, 8), dtype=np.int64)
    images[0, :, 3:5] = 16
    rows = np.flatnonzero(digits.enlarge(images)[0].max(axis=1))
    assert (rows.min(), rows.max()) == (4, 23)


def test_ink_is_centred_and_keeps_its_range():
    images = np.zeros((2, 8, 8), dtype=np.int64)
    images[0, :, 2:4] = 16
    images[1, :, 4:6] = 16
    left, right = digits.enlarge(images)
    assert left.sum(dtype=int) == right.sum(dtype=int)
    assert np.flatnonzero(left.max(axis=0)).mean() == pytest.approx(13.5, abs=1)
    assert np.flatnonzero(right.max(axis=0)).mean() == pytest.approx(13.5, abs=1)
    assert left.max() == 255
    assert digits.enlarge(images * 0).max() == 0


def test_each_image_is_in_one_set_and_the_last_of_each_digit_are_the_test():
    official = digits.load()
    assert np.bincount(official.test.labels).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    assert len(official.train) + len(official.test) == 1797
