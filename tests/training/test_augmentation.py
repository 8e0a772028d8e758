"""Every registered augmentation, by the same few tests; then what each one does."""

import numpy as np
import pytest
import tensorflow as tf

from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.training import build, sampling
from mnist_exp.training.augmentations import affine, cutmix, elastic, erasing, mixup, shift, struck

STILL = {
    "max_rotation_degrees": 0.0,
    "max_zoom": 0.0,
    "max_shear_degrees": 0.0,
    "max_shift_pixels": 0.0,
}


def augmentation(name: str):
    """What an augmentation makes of images alone."""
    augment = build.augmentation(compose([f"augmentation={name}"]).config)

    def alone(images, seed):
        return augment(images, np.zeros((images.shape[0], 10), np.float32), seed)[0]

    return alone


def digits(count: int) -> np.ndarray:
    """Blobs of ink in the middle, with background around, float32 [count, 28, 28, 1]."""
    pixels = np.zeros((count, 28, 28, 1), np.float32)
    pixels[:, 8:20, 8:20] = np.random.default_rng(0).uniform(0, 255, (count, 12, 12, 1))
    return pixels


def centre(image: np.ndarray) -> tuple[float, float]:
    """The centre of mass of one image, (x, y)."""
    y, x = np.mgrid[:28, :28]
    ink = image[..., 0]
    return (x * ink).sum() / ink.sum(), (y * ink).sum() / ink.sum()


@pytest.mark.parametrize("name", components.named("augmentation"))
def test_stateless_in_shape_and_in_range(name):
    augment, before = augmentation(name), digits(33)
    first, again, other = (
        np.asarray(augment(before, np.array(s, np.int32))) for s in ([1, 2], [1, 2], [1, 3])
    )
    assert first.shape == before.shape
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 255.001
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (name == "none")


@pytest.mark.parametrize("name", components.named("augmentation"))
def test_the_same_in_a_graph(name):
    augment, before = augmentation(name), digits(5)
    seed = tf.constant([1, 2])
    graph = tf.function(lambda images: augment(images, seed))
    np.testing.assert_allclose(graph(before), augment(before, seed), atol=1e-3)


@pytest.mark.parametrize("name", sorted(set(components.named("augmentation")) - {"none"}))
def test_images_of_a_batch_change_differently(name):
    before = np.repeat(digits(1), 8, axis=0)
    after = augmentation(name)(before, np.array([1, 2], np.int32)).numpy()
    assert len({image.tobytes() for image in after}) > 4


def test_shift_moves_by_whole_pixels_up_to_the_limit():
    before = np.repeat(digits(1), 400, axis=0)
    after = shift(max_shift_pixels=2)(before, np.array([0, 0], np.int32)).numpy()
    x, y = centre(before[0])
    moves = {tuple(np.round(np.subtract(centre(image), (x, y)), 3)) for image in after}
    assert moves == {(float(i), float(j)) for i in range(-2, 3) for j in range(-2, 3)}


@pytest.mark.parametrize("build", [affine, elastic])
def test_nothing_moves_at_limits_of_zero(build):
    extra = {"displacement_pixels": 0.0, "smoothness_pixels": 4.0} if build is elastic else {}
    before = digits(4)
    after = build(**STILL, **extra)(before, np.array([1, 2], np.int32)).numpy()
    np.testing.assert_allclose(after, before, atol=1e-3)


@pytest.mark.parametrize(
    ("limits", "measure", "largest"),
    [
        ({"max_shift_pixels": 3.0}, lambda image: centre(image)[0] - 13.5, 3.0),
        ({"max_zoom": 0.2}, lambda image: np.sqrt((image[..., 0] > 127).sum()) / 12 - 1, 0.25),
    ],
)
def test_an_affine_change_stays_within_its_limit_and_uses_it(limits, measure, largest):
    square = np.zeros((300, 28, 28, 1), np.float32)
    square[:, 8:20, 8:20] = 255
    after = affine(**{**STILL, **limits})(square, np.array([5, 6], np.int32)).numpy()
    amounts = np.array([measure(image) for image in after])
    assert np.abs(amounts).max() <= largest + 0.05
    assert amounts.max() > 0.6 * largest
    assert amounts.min() < -0.6 * largest


def test_a_rotation_keeps_the_centre_and_turns_by_up_to_its_limit():
    bar = np.zeros((300, 28, 28, 1), np.float32)
    bar[:, 13:15, 4:24] = 255
    after = affine(**{**STILL, "max_rotation_degrees": 30.0})(bar, np.array([5, 6], np.int32))
    y, x = np.mgrid[:28, :28] - 13.5
    angles = []
    for image in after.numpy()[..., 0]:
        assert np.hypot((x * image).sum(), (y * image).sum()) / image.sum() < 0.1
        angles.append(np.degrees(np.arctan2((x * y * image).sum(), (x * x * image).sum())))
    assert 25 < max(angles) < 35
    assert -35 < min(angles) < -25


def test_elastic_bends_smoothly_by_the_displacement_asked_for():
    ramp = np.tile(np.arange(28, dtype=np.float32), (200, 28, 1))[..., None] * 9
    still = {**STILL, "smoothness_pixels": 4.0}
    after = elastic(displacement_pixels=1.0, **still)(ramp, np.array([1, 2], np.int32)).numpy()
    moved = ((after - ramp) / 9)[:, 6:22, 6:22, 0]  # on a ramp the change is the displacement
    assert 0.85 < moved.std() < 1.15
    assert np.abs(np.diff(moved, axis=1)).mean() < 0.35


def test_what_moves_in_is_background():
    full = np.full((50, 28, 28, 1), 255, np.float32)
    after = shift(max_shift_pixels=2)(full, np.array([1, 2], np.int32)).numpy()
    assert set(np.unique(after)) == {0, 255}


def test_a_strike_goes_across_the_digit_on_the_share_of_images_asked_for():
    blank = np.zeros((2000, 28, 28, 1), np.float32)
    lines = struck(strike_probability=0.3, max_strike_width_pixels=3, **STILL)
    after = lines(blank, np.array([1, 2], np.int32)).numpy()[..., 0]
    drawn = after[after.any(axis=(1, 2))]
    assert 0.26 < len(drawn) / len(after) < 0.34
    assert drawn[:, 10:18, 10:18].any(axis=(1, 2)).all()
    rows, columns = drawn.any(axis=2).sum(axis=1), drawn.any(axis=1).sum(axis=1)
    assert 10 <= np.maximum(rows, columns).min() < 14
    assert np.maximum(rows, columns).max() == 28
    widths = drawn.sum(axis=(1, 2)) / 255 / 21  # of a line of middling length
    assert 0.5 < widths.min() < 1.2
    assert 2 < widths.max() < 5


def test_a_strike_takes_no_ink_away():
    before = digits(200)
    lines = struck(strike_probability=1.0, max_strike_width_pixels=1, **STILL)
    after = lines(before, np.array([1, 2], np.int32)).numpy()
    assert (after >= before - 1e-3).all()
    assert (after > before).any(axis=(1, 2, 3)).all()


def mixed(augment, images):
    """What a mixing augmentation makes of images of two digits, and of their labels."""
    targets = np.eye(10, dtype=np.float32)[np.arange(len(images)) % 2]
    after, shares = augment(images, targets, np.array([1, 2], np.int32))
    return targets, after.numpy(), shares.numpy()


@pytest.mark.parametrize("kind", [mixup, cutmix])
def test_a_mixed_target_is_the_share_of_each_digit_in_the_image(kind):
    """Where one digit is all ink and the other none, the ink is its share."""
    images = np.zeros((300, 28, 28, 1), np.float32)
    images[::2] = 255
    targets, after, shares = mixed(kind(alpha=1.0, **STILL), images)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(after.mean(axis=(1, 2, 3)) / 255, shares[:, 0], atol=1e-5)
    assert (shares[:, 2:] == 0).all()
    between = (shares[:, 0] > 0) & (shares[:, 0] < 1)
    assert 0.3 < between.mean() < 0.7  # the others met one of their own kind
    # On average an image stays half itself.
    assert 0.6 < (shares * targets).sum(axis=1).mean() < 0.9


@pytest.mark.parametrize(("alpha", "least", "most"), [(0.05, 0.8, 1.0), (5.0, 0.4, 0.6)])
def test_a_small_alpha_leaves_one_of_both_in_the_lead(alpha, least, most):
    """With a large one about half do, which met one of their own digit."""
    _, _, shares = mixed(mixup(alpha=alpha, **STILL), digits(400))
    led = np.abs(shares[:, 0] - 0.5) > 0.49
    assert least < led.mean() <= most


def test_erasing_wipes_a_rectangle_of_its_share_of_the_images():
    images = np.full((600, 28, 28, 1), 255, np.float32)
    options = {"erase_probability": 0.3, "max_erased_share": 0.4, **STILL}
    after = erasing(**options)(images, np.array([1, 2], np.int32)).numpy()
    assert set(np.unique(after)) == {0, 255}
    wiped = (after == 0).mean(axis=(1, 2, 3))
    assert 0.2 < (wiped > 0).mean() < 0.4
    assert 0.2 < wiped.max() <= 0.45
    for image in after[wiped > 0]:
        rows, columns = (np.flatnonzero((image == 0).any(axis=axis)) for axis in (1, 0))
        box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (box == 0).all()


def test_rectangles_have_their_share_but_for_what_lies_beyond():
    shares = np.full(2000, 0.25, np.float32)
    covered = sampling.rectangles(shares, np.array([3, 4], np.int32)).numpy().mean(axis=(1, 2, 3))
    assert covered.max() == pytest.approx(0.25, abs=0.05)
    assert 0.1 < covered.mean() < 0.2
