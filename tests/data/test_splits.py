import hashlib

import numpy as np
import pytest

from mnist_exp.core.errors import RequestError
from mnist_exp.data.splits import Official, Split, class_shares, digest, divide, wrong_form


@pytest.fixture
def train():
    """Images whose first pixels count them, with classes of very different sizes."""
    labels = np.repeat(np.arange(10), [5, 10, 15, 20, 25, 30, 40, 50, 60, 45]).astype(np.uint8)
    labels = np.random.default_rng(0).permutation(labels)
    images = np.zeros((300, 28, 28), dtype=np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(300), 256)
    return Split(images, labels)


def numbers(split):
    return split.images[:, 0, 0].astype(int) * 256 + split.images[:, 0, 1]


@pytest.mark.parametrize("validation_images", [0, 1, 7, 60, 299])
@pytest.mark.parametrize("train_images", [None, 1])
def test_nothing_is_lost_doubled_or_reordered(train, validation_images, train_images):
    rest, validation = divide(
        train, seed=1, validation_images=validation_images, train_images=train_images
    )
    held_out, used = numbers(validation), numbers(rest)
    assert len(held_out) == validation_images
    assert len(used) == (300 - validation_images if train_images is None else train_images)
    assert not set(held_out) & set(used)
    for split, chosen in ((rest, used), (validation, held_out)):
        assert np.array_equal(chosen, np.sort(chosen))
        assert np.array_equal(split.labels, train.labels[chosen])


@pytest.mark.parametrize(
    ("validation_images", "train_images", "words"),
    [
        (300, None, "data.validation_images < 300, the number of training images. Received: 300"),
        (60, 241, "data.train_images <= 240, the training images left beside 60 .* Received: 241"),
    ],
)
def test_images_that_are_not_there_are_refused(train, validation_images, train_images, words):
    with pytest.raises(RequestError, match=words):
        divide(train, seed=1, validation_images=validation_images, train_images=train_images)


def test_the_digest_is_over_every_byte_in_its_order(train):
    test = Split(train.images[:7] + 1, train.labels[:7])
    parts = (train.images, train.labels, test.images, test.labels)
    expected = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest(Official(train, test, "a folder")) == expected


def test_the_classes_keep_their_shares(train):
    rest, validation = divide(train, seed=1, validation_images=60, train_images=120)
    assert np.bincount(validation.labels).tolist() == [1, 2, 3, 4, 5, 6, 8, 10, 12, 9]
    assert np.bincount(rest.labels).tolist() == [2, 4, 6, 8, 10, 12, 16, 20, 24, 18]


def test_without_a_choice_nothing_is_copied(train):
    rest, _ = divide(train, seed=1, validation_images=0, train_images=None)
    assert rest is train
    rest, _ = divide(train, seed=1, validation_images=0, train_images=300)
    assert rest is train


def test_the_choice_is_the_same_for_ever(train):
    """Recorded runs rely on it: a change of these numbers changes every validation set."""
    _, validation = divide(train, seed=0, validation_images=10, train_images=None)
    assert numbers(validation).tolist() == [17, 46, 101, 111, 216, 223, 236, 264, 270, 274]


def test_seeds_as_large_as_the_config_allows(train):
    _, validation = divide(train, seed=2**80, validation_images=10, train_images=None)
    assert len(validation) == 10


def test_largest_remainders_get_what_is_left():
    """The example of Wikipedia's "Largest remainder method" with the Hare quota."""
    votes = np.array([47_000, 16_000, 15_800, 12_000, 6_100, 3_100, 0, 0, 0, 0])
    assert class_shares(votes, 10).tolist() == [5, 2, 1, 1, 1, 0, 0, 0, 0, 0]


def test_of_nothing_nothing_is_shared():
    assert class_shares(np.zeros(10, np.int64), 0).tolist() == [0] * 10


def test_shares_never_exceed_what_a_class_has():
    generator = np.random.default_rng(0)
    for _ in range(200):
        counts = generator.integers(0, 6, size=10)
        for number in range(int(counts.sum()) + 1):
            shares = class_shares(counts, number)
            assert shares.sum() == number
            assert (shares <= counts).all()


def test_what_is_no_data_set_is_told(train):
    assert wrong_form(Official(train, train, "own")) == ""
    assert wrong_form((train, train)).startswith("tuple, not Official(train=Split(images, labels)")
    listed = Split(train.images.tolist(), train.labels)
    for wrong in (listed, (train.images, train.labels)):
        words = f"{type(wrong).__name__} as test, not Split(images, labels) of NumPy arrays"
        assert wrong_form(Official(train, wrong, "own")) == words
