"""What is said of data that are in the right form and yet odd."""

from dataclasses import replace

import numpy as np
import pytest

from mnist_exp import data
from mnist_exp.data.plausibility import warnings


@pytest.fixture(scope="module")
def splits():
    return data.load("digits", seed=0, validation_images=200, train_images=None)


def inverted(split):
    return data.Split(255 - split.images, split.labels)


def without(split, *digits):
    kept = ~np.isin(split.labels, digits)
    return data.Split(split.images[kept], split.labels[kept])


def test_real_digits_are_not_odd(splits):
    assert warnings(splits) == []
    assert warnings(data.load_whole("digits")) == []


@pytest.mark.parametrize("name", ["train", "test"])
def test_dark_ink_on_bright_paper(splits, name):
    [warning] = warnings(replace(splits, **{name: inverted(getattr(splits, name))}))
    words = {"train": "The training images are dark", "test": "The test images are dark"}
    assert warning.startswith(words[name])
    assert "invert them" in warning


def test_test_images_that_are_training_images(splits):
    [warning] = warnings(replace(splits, test=splits.train))
    assert warning.startswith("About 100% of the test images are among those for training")
    [warning] = warnings(replace(splits, test=splits.validation))
    assert "for training and validation" in warning


def test_training_images_that_are_all_the_same(splits):
    black = data.Split(np.zeros_like(splits.train.images), splits.train.labels)
    [warning] = warnings(replace(splits, train=black))
    assert warning.startswith("All training images are the same")


def test_digits_that_are_missing(splits):
    [trained] = warnings(replace(splits, train=without(splits.train, 3)))
    assert trained == "No training image shows 3: the model cannot learn it."
    [tested] = warnings(replace(splits, test=without(splits.test, 0, 9)))
    assert tested.startswith("No test image shows 0, 9:")
    [unseen] = warnings(replace(splits, validation=without(splits.validation, 7)))
    assert unseen.startswith("No validation image shows 7:")


def test_two_digits_only(splits):
    parts = ("train", "validation", "test")
    two = {name: without(getattr(splits, name), *range(2, 10)) for name in parts}
    found = warnings(replace(splits, **two))
    assert [text.partition(":")[0] for text in found] == [
        "No training image shows 2, 3, 4, 5, 6, 7, 8, 9",
        "No test image shows 2, 3, 4, 5, 6, 7, 8, 9",
    ]
