"""The contract of every data set in the table; a new one is tested by adding its options."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from mnist_exp import data
from mnist_exp.core.errors import RequestError

SIZES = {"mnist": (60_000, 10_000), "digits": (1_442, 355), "idx": (60_000, 10_000)}


def options(name):
    root = Path(os.environ["MNIST_EXP_DATA"])
    return {
        "mnist": {"root": str(root), "mirrors": [], "attempts": 1, "timeout_seconds": 1.0},
        "digits": {},
        "idx": {"root": str(root / "mnist")},
    }[name]


def load(name, *, seed=0, validation_images=200, train_images=None):
    return data.load(
        name,
        seed=seed,
        validation_images=validation_images,
        train_images=train_images,
        **options(name),
    )


@pytest.fixture(params=data.names())
def name(request):
    return request.param


def test_every_split_has_the_form_that_it_states(name):
    splits = load(name)
    assert splits.name == name
    assert splits.source
    train_images, test_images = SIZES[name]
    sizes = [len(splits.train), len(splits.validation), len(splits.test)]
    assert sizes == [train_images - 200, 200, test_images]
    for split in (splits.train, splits.validation, splits.test):
        assert split.images.shape == (len(split), 28, 28)
        assert split.labels.shape == (len(split),)
        assert split.images.dtype == split.labels.dtype == np.uint8
        assert set(np.unique(split.labels)) == set(range(10))
        assert split.images.max() == 255
        assert split.images.flags.c_contiguous


@pytest.mark.parametrize("split_seed", [0, 7])
def test_runs_of_several_seeds_can_hold_out_the_same_images(split_seed):
    own = {"validation_images": 200, "train_images": 700}
    first, second = (data.load("digits", seed=s, split_seed=split_seed, **own) for s in (1, 2))
    plain, other = (data.load("digits", seed=seed, **own) for seed in (split_seed, 1))
    for name in ("train", "validation"):
        shared = getattr(first, name).images
        assert np.array_equal(shared, getattr(second, name).images)
        assert np.array_equal(shared, getattr(plain, name).images)
        assert not np.array_equal(shared, getattr(other, name).images)


def test_digits_lie_in_the_middle_as_in_mnist(name):
    images = load(name).test.images.astype(np.int64)
    ink = images.sum()
    rows = (images.sum(axis=(0, 2)) * np.arange(28)).sum() / ink
    columns = (images.sum(axis=(0, 1)) * np.arange(28)).sum() / ink
    assert rows == pytest.approx(14.0, abs=0.25)
    assert columns == pytest.approx(14.0, abs=0.25)


def test_the_digest_is_of_all_images_and_knows_no_seed(name):
    splits = load(name, validation_images=0)
    assert splits.validation.images.shape == (0, 28, 28)
    assert splits.validation.labels.shape == (0,)
    state = hashlib.sha256()
    for array in (
        splits.train.images,
        splits.train.labels,
        splits.test.images,
        splits.test.labels,
    ):
        state.update(array.tobytes())
    assert splits.digest == state.hexdigest()
    assert load(name, seed=5, validation_images=100, train_images=50).digest == splits.digest


def test_the_seed_chooses_validation_and_nothing_else_does(name):
    first = load(name, seed=3)
    again = load(name, seed=3, train_images=500)
    other = load(name, seed=4)
    assert np.array_equal(first.validation.images, again.validation.images)
    assert not np.array_equal(first.validation.images, other.validation.images)
    assert np.array_equal(first.test.images, other.test.images)
    assert len(again.train) == 500


def test_more_images_than_there_are_is_a_request_error(name):
    images = SIZES[name][0]
    with pytest.raises(
        RequestError, match=rf"Expected data.validation_images < {images},.*Received: {images}\."
    ):
        load(name, validation_images=images)
    with pytest.raises(RequestError, match=rf"Expected data.train_images <= {images - 200},"):
        load(name, train_images=images - 199)


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(RequestError) as caught:
        data.load("mnits", seed=0, validation_images=0, train_images=None)
    assert str(caught.value) == (
        "Expected data.name to be one of mnist, digits, idx. Received: mnits. Did you mean 'mnist'?"
    )


@pytest.mark.parametrize("name", ["mnist", "idx"])
def test_a_root_that_is_no_folder_is_a_request_error(name, tmp_path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(RequestError, match=re.escape(f"Received: {root}.")):
            data.load(name, seed=0, validation_images=0, train_images=None, root=str(root))
