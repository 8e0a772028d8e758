"""Images that people upload: each is read, or refused in one paragraph."""

import numpy as np
import pytest
from drawn import STROKES, draw, encoded
from fuzzing import cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.core.errors import RequestError
from mnist_exp.inference import decode
from mnist_exp.inference.normalization import normalize
from mnist_exp.inference.recognition import find

_PICTURE = draw(STROKES[7], height=40, pen=4, at=(12, 12), size=(64, 64))
_COLOUR = np.dstack([_PICTURE, _PICTURE, _PICTURE, 255 - _PICTURE])
ORIGINALS = (
    *(encoded(_PICTURE, form) for form in ("PNG", "JPEG", "WEBP", "BMP")),
    encoded(_COLOUR, "PNG"),
    encoded(_COLOUR, "WEBP"),
)


def read(content: bytes) -> None:
    grey = decode(content, "an image")
    assert grey.dtype == np.float32
    assert 0 <= grey.min() <= grey.max() <= 1
    for digit in find(grey):
        assert normalize(digit.ink).shape == (28, 28)


@cases(10_000)
@given(st.binary(max_size=2000) | mutated(*ORIGINALS))
@example(b"")
@example(encoded(np.zeros((40, 5000), np.uint8)))
def test_any_bytes(sealed_environment, content):
    with watched(sealed_environment, RequestError, mebibytes=1024):
        read(content)


@pytest.mark.parametrize("content", ORIGINALS)
def test_what_is_not_mutated_is_read(content):
    read(content)
    assert len(find(decode(content, "a seven"))) == 1


def test_noise_of_any_shape_is_read():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        height, width = rng.integers(8, 120, 2)
        grey = rng.random((height, width)).astype(np.float32) ** rng.uniform(0.1, 10)
        digits = find(grey)
        found += len(digits)
        for digit in digits[:20]:
            assert normalize(digit.ink).max() > 0
    assert found > 100
