import gzip
import re

import numpy as np
import pytest

from mnist_exp.core.errors import RequestError
from mnist_exp.data import idx

IMAGES = np.random.default_rng(0).integers(0, 256, size=(30, 28, 28), dtype=np.uint8)
LABELS = (np.arange(30) % 10).astype(np.uint8)


def encode(array):
    return idx.header(array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(encode(IMAGES)))
    (folder / "train-labels-idx1-ubyte").write_bytes(encode(LABELS))
    (folder / "t10k-images-idx3-ubyte").write_bytes(encode(IMAGES[:10]))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encode(LABELS[:10])))
    (folder / "README.md").write_text("train images")
    return folder


def test_the_header_is_that_of_mnist(mnist_folder):
    with gzip.open(mnist_folder / "t10k-images-idx3-ubyte.gz") as file:
        assert file.read(16) == idx.header((10_000, 28, 28))


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["plain", "named.gz"])
def test_content_decides_whether_it_is_compressed(tmp_path, compress, name):
    path = tmp_path / name
    path.write_bytes(compress(encode(IMAGES)))
    assert np.array_equal(idx.read(path, dimensions=3, digest=None), IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "which open with 0x00000803. Received: an empty file."),
        (encode(LABELS), "0x00000803. Received: 0x00000801, unsigned bytes in 1 dimension(s)."),
        (b"\0\0\x0c\x03" + bytes(12), "Received: 0x00000c03, 32-bit integers in 3 dimension(s)."),
        (b"\0\0\x08", "Received: 0x000008."),
        (b"<!doctype html>", "Received: 0x3c21646f."),
        (idx.header((1, 28, 28))[:9], "an IDX header of 16 bytes. Received: 9 bytes in all."),
        (encode(IMAGES)[:-1], "the header's shape [30, 28, 28] demands. Received: 23,535 bytes."),
        (encode(IMAGES) + b"x", "Received: 23,537 bytes."),
        (idx.header((2**32 - 1,) * 3), "Received: 16 bytes."),
        (gzip.compress(encode(IMAGES))[:-9], "a complete gzip file. Received: one that ends"),
        (gzip.compress(encode(IMAGES))[:12] + b"x" * 99, "Received: damaged data"),
        (gzip.compress(encode(IMAGES)) + b"x", "Received: damaged data"),
    ],
)  # fmt: skip
def test_anything_inexact_is_refused(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(idx.FormatError, match=re.escape(message)):
        idx.read(path, dimensions=3, digest=None)


def test_a_folder_of_mixed_files_is_read(folder):
    official = idx.load(root=str(folder))
    assert np.array_equal(official.train.images, IMAGES)
    assert np.array_equal(official.train.labels, LABELS)
    assert np.array_equal(official.test.images, IMAGES[:10])
    assert official.source == folder.as_uri()


def test_the_names_of_emnist_are_known(folder):
    for path in list(folder.iterdir()):
        path.rename(folder / f"emnist-digits-{path.name.replace('t10k', 'test')}")
    assert len(idx.load(root=str(folder)).test) == 10


def test_the_same_file_plain_and_compressed_is_one_file(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(encode(IMAGES[::-1]))
    assert np.array_equal(idx.load(root=str(folder)).train.images, IMAGES[::-1])


def change(folder, name, array):
    (folder / name).write_bytes(encode(array))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "t10k-images-idx3-ubyte").unlink(),
         "exactly one IDX file with t10k-images or test-images in its name"),
        (lambda folder: change(folder, "mnist-test-images", IMAGES),
         "Received: mnist-test-images, t10k-images-idx3-ubyte."),
        (lambda folder: change(folder, "t10k-images-idx3-ubyte", LABELS),
         "t10k-images-idx3-ubyte. Received: 0x00000801, unsigned bytes in 1 dimension(s)."),
        (lambda folder: change(folder, "t10k-images-idx3-ubyte", IMAGES[:, :20]),
         "Expected images of 28x28 pixels in"),
        (lambda folder: change(folder, "t10k-images-idx3-ubyte", IMAGES[:0]),
         "Received: 0, 28, 28."),
        (lambda folder: change(folder, "t10k-images-idx3-ubyte", IMAGES[:9]),
         "Expected 9 labels in"),
        (lambda folder: change(folder, "train-labels-idx1-ubyte", LABELS + 1),
         "Received: labels from 1 to 10. Subtract 1 from every label."),
        (lambda folder: change(folder, "train-labels-idx1-ubyte", LABELS * 2),
         "Received: labels from 0 to 18. Give a data.root whose files hold the ten digits"),
        (lambda folder: change(folder, "t10k-images-idx3-ubyte", np.stack([IMAGES] * 3, axis=-1)),
         "bytes in 4 dimension(s). Write it anew as unsigned bytes: grey values, 0 to 255, in the"),
        (lambda folder: (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x0c\1" + bytes(9)),
         "32-bit integers in 1 dimension(s). Write it anew as unsigned bytes: one label, 0 to 9,"),
        (lambda folder: (folder / "train-labels-idx1-ubyte").write_bytes(b"<!doctype html>"),
         "Received: 0x3c21646f. Copy the file there again."),
    ],
)  # fmt: skip
def test_a_folder_without_one_whole_set_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        idx.load(root=str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
