"""Data sets of others: IDX files, compressed or not, and Keras's mnist.npz."""

import gzip
import io

import numpy as np
import pytest
from fuzzing import BEYOND, cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.data import idx, mnist

_IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
_LABELS = (np.arange(12) % 10).astype(np.uint8)
IMAGES = idx.header(_IMAGES.shape) + _IMAGES.tobytes()
LABELS = idx.header(_LABELS.shape) + _LABELS.tobytes()
NAMES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
FILES = st.binary(max_size=200) | mutated(
    IMAGES, LABELS, gzip.compress(IMAGES), gzip.compress(LABELS)
)
BOMB = gzip.compress(gzip.compress(IMAGES[:16] + BEYOND, 1))


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


KERAS = npz(x_train=_IMAGES, y_train=_LABELS, x_test=_IMAGES, y_test=_LABELS)


@cases(8_000)
@given(st.sampled_from(NAMES), FILES)
@example("train-images", IMAGES)
def test_a_folder_of_idx_files(sealed_environment, name, content):
    for each in NAMES:
        whole = IMAGES if "images" in each else LABELS
        (sealed_environment / each).write_bytes(content if each == name else whole)
    with watched(sealed_environment, RequestError):
        found = idx.load(root=str(sealed_environment))
        assert len(found.train.images) == len(found.train.labels)


def test_a_folder_of_idx_files_is_not_read_beyond_its_limit(sealed_environment, monkeypatch):
    monkeypatch.setattr(idx, "MOST_BYTES", len(IMAGES))
    for each in NAMES:
        (sealed_environment / each).write_bytes(IMAGES if "images" in each else LABELS)
    (sealed_environment / NAMES[0]).write_bytes(gzip.decompress(BOMB))
    with pytest.raises(
        RequestError, match=r"at most .* bytes in .*train-images\. Received: more\."
    ):
        idx.load(root=str(sealed_environment))


@cases(4_000)
@given(st.sampled_from(sorted(mnist.DIGESTS)), FILES)
@example("train-images-idx3-ubyte", gzip.decompress(BOMB))
def test_a_folder_of_mnist(sealed_environment, name, content):
    for each in mnist.DIGESTS:
        (sealed_environment / each).write_bytes(content if each == name else IMAGES)
    with watched(sealed_environment, ExperimentError):
        mnist.load(root=str(sealed_environment), mirrors=(), attempts=1, timeout_seconds=1)
        raise AssertionError("it is not MNIST")


@cases(4_000)
@given(st.binary(max_size=200) | mutated(KERAS))
@example(npz(x_train=np.frombuffer(BEYOND, np.uint8)))
def test_an_archive_of_mnist(sealed_environment, content):
    (sealed_environment / "mnist.npz").write_bytes(content)
    with watched(sealed_environment, ExperimentError):
        mnist.load(root=str(sealed_environment), mirrors=(), attempts=1, timeout_seconds=1)
        raise AssertionError("it is not MNIST")
