"""Two thousand mutated images: each is read, or refused in one paragraph."""

import numpy as np
from drawn import STROKES, draw, encoded

from mnist_exp.core.errors import RequestError
from mnist_exp.inference import decode
from mnist_exp.inference.normalization import normalize
from mnist_exp.inference.recognition import find

MUTANTS = 2000
FORMS = ("PNG", "JPEG", "WEBP", "BMP")


def seeds():
    """Returns small images of every form to be mutated."""
    picture = draw(STROKES[7], height=40, pen=4, at=(12, 12), size=(64, 64))
    colour = np.dstack([picture, picture, picture, 255 - picture])
    return [encoded(picture, form) for form in FORMS] + [
        encoded(colour, form) for form in ("PNG", "WEBP")
    ]


def mutated(content, rng):
    """Returns the bytes with a few changed, cut off, repeated or put in."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(data)))
        kind = rng.integers(5)
        if kind == 0:
            data[at] = int(rng.integers(256))
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del data[at + 1 :]
        elif kind == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 64))]
        else:
            data[at : at + 4] = rng.bytes(4)
    return bytes(data)


def test_mutated_images():
    rng = np.random.default_rng(0)
    originals = seeds()
    read, refusals = 0, {}
    for number in range(MUTANTS):
        content = mutated(originals[number % len(originals)], rng)
        try:
            grey = decode(content, f"mutant {number}")
        except RequestError as refusal:
            refusals[number] = str(refusal)
            continue
        assert grey.dtype == np.float32
        assert 0 <= grey.min() <= grey.max() <= 1
        for digit in find(grey):
            assert normalize(digit.ink).shape == (28, 28)
        read += 1
    assert read > MUTANTS / 10
    assert len(refusals) > MUTANTS / 10
    for number, refusal in refusals.items():
        assert refusal.startswith(f"mutant {number}: Expected ")
        assert "\n" not in refusal


def test_noise_of_any_shape_is_read():
    rng = np.random.default_rng(0)
    for _ in range(40):
        height, width = rng.integers(8, 120, 2)
        grey = rng.random((height, width)).astype(np.float32) ** rng.uniform(0.1, 10)
        for digit in find(grey):
            assert normalize(digit.ink).max() > 0
