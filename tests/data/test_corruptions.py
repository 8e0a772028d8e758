"""One contract for every corruption, and what some of them say of themselves.

That a person reads the digits at each strength was judged by eye.
"""

import hashlib

import numpy as np
import pytest
from invoke import python

from mnist_exp import data
from mnist_exp.data import corruptions
from mnist_exp.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_exp.data.warping import warped

SETS = [(name, strength) for name in CORRUPTIONS for strength in STRENGTHS]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Real digits, uint8 [355, 28, 28]."""
    splits = data.load("digits", seed=0, validation_images=0, train_images=None)
    return splits.test.images


def ink(images):
    return images.sum(axis=(1, 2), dtype=np.int64)


def difference(first, second):
    return np.abs(first.astype(int) - second).mean(axis=(1, 2))


def test_there_are_fifteen_of_three_strengths():
    assert len(CORRUPTIONS) == 15
    assert STRENGTHS == (1, 2, 3)


@pytest.mark.parametrize(("name", "strength"), SETS)
def test_contract(name, strength, images):
    before = images.copy()
    changed = corrupt(images, name, strength)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(changed, corrupt(images, name, strength))
    # Most images change; a small square can miss the ink's middle, but never the image.
    assert (difference(changed, images) > 0).mean() > 0.95
    # What does not move the digit leaves it in its place.
    pairs = zip(changed, images, strict=True)
    alike = np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs])
    assert name in {"rotate", "shear", "scale", "translate"} or alike > 0.5


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_greater_strength_changes_more(name, images):
    changes = [difference(corrupt(images, name, strength), images).mean() for strength in STRENGTHS]
    assert changes[0] > 1
    assert changes[0] * 1.1 < changes[1]
    assert changes[1] * 1.02 < changes[2]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_gets_its_draws_by_its_index(name, images):
    """Neither the number nor the content of the others matters, nor how many are warped at once."""
    many = np.concatenate([images] * 4)
    whole = corrupt(many, name, 2)
    np.testing.assert_array_equal(corrupt(many[:100], name, 2), whole[:100])
    others = many.copy()
    others[:1200] = 255 - others[:1200]
    np.testing.assert_array_equal(corrupt(others, name, 2)[1200:], whole[1200:])


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("value", [0, 255])
def test_images_of_one_value_are_no_problem(name, value):
    flat = np.full((3, 28, 28), value, np.uint8)
    for strength in STRENGTHS:
        assert corrupt(flat, name, strength).shape == flat.shape


def test_random_ones_differ_between_images(images):
    same = np.repeat(images[:1], 50, axis=0)
    chance = {name for name in CORRUPTIONS if len(np.unique(corrupt(same, name, 1), axis=0)) > 1}
    fixed = {"gaussian_blur", "contrast", "thin_strokes", "thick_strokes", "scale"}
    assert chance == CORRUPTIONS.keys() - fixed


def test_fresh_processes_make_the_same_images(images):
    digest = hashlib.sha256()
    for name, strength in SETS:
        digest.update(corrupt(images, name, strength).tobytes())
    code = (
        "import hashlib\n"
        "from mnist_exp import data\n"
        "from mnist_exp.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt\n"
        "splits = data.load('digits', seed=3, validation_images=9, train_images=None)\n"
        "digest = hashlib.sha256()\n"
        "for name in CORRUPTIONS:\n"
        "    for strength in STRENGTHS:\n"
        "        digest.update(corrupt(splits.test.images, name, strength).tobytes())\n"
        "print(digest.hexdigest())\n"
    )
    done = python(code, fresh=True, check=True)
    assert done.stdout.strip() == digest.hexdigest()


def test_strokes_lose_and_gain_ink(images):
    thin = [ink(corrupt(images, "thin_strokes", strength)) for strength in STRENGTHS]
    thick = [ink(corrupt(images, "thick_strokes", strength)) for strength in STRENGTHS]
    series = np.array([*thin[::-1], ink(images), *thick])
    assert (np.diff(series, axis=0) > 0).all()
    assert (thin[2] > 0.2 * ink(images)).all()


def test_translations_are_of_whole_pixels(images):
    moves = range(-2, 3)
    for image, moved in zip(images, corrupt(images, "translate", 1), strict=True):
        wide = np.pad(image, 2)
        shifted = {
            (down, right): np.roll(wide, (down, right), axis=(0, 1))[2:-2, 2:-2]
            for down in moves
            for right in moves
        }
        (move,) = (move for move in shifted if np.array_equal(shifted[move], moved))
        assert 1.4 < np.hypot(*move) < 2.9


def test_shot_noise_is_that_of_photons():
    grey = np.full((200, 28, 28), 128, np.uint8)
    photons = 12 * (0.08 + 0.92 * 128 / 255)
    counted = corrupt(grey, "shot_noise", 1).astype(float)
    assert counted.mean() == pytest.approx(128, abs=1)
    assert counted.std() == pytest.approx(255 * np.sqrt(photons) / 12 / 0.92, rel=0.05)


def test_impulses_are_black_and_white():
    grey = np.full((200, 28, 28), 128, np.uint8)
    counts = np.bincount(corrupt(grey, "impulse_noise", 3).ravel(), minlength=256) / grey.size
    assert counts[[0, 255]] == pytest.approx([0.1, 0.1], abs=0.005)
    assert counts[128] == pytest.approx(0.8, abs=0.01)


def test_occlusions_are_squares():
    black = np.zeros((300, 28, 28), np.uint8)
    squares = corrupt(black, "occlusion", 3)
    assert (ink(squares) == 8 * 8 * 127).all()
    assert (squares[:, :5].max(), squares[:, -5:].max()) == (0, 0)


def test_warping_is_the_map_that_it_is_given():
    image = np.arange(28 * 28, dtype=np.float64).reshape(1, 28, 28) % 251
    image = image.astype(np.uint8)
    quarter = warped(image, ((0, 1), (-1, 0)))
    np.testing.assert_array_equal(quarter[0], np.rot90(image[0]))
    halves = warped(image, ((1, 0), (0, 1)), (0, 0.5))
    expected = np.rint((image[0, :, :-1].astype(float) + image[0, :, 1:]) / 2)
    np.testing.assert_array_equal(halves[0, :, :-1], expected)


def test_the_seed_is_part_of_it(images, monkeypatch):
    before = corrupt(images, "fog", 1)
    monkeypatch.setattr(corruptions, "SEED", 1)
    assert not np.array_equal(corrupt(images, "fog", 1), before)
