"""MNIST from every container it comes in, and what is said of damaged ones."""

import gzip
import os
import re
import shutil

import numpy as np
import pytest

from mnist_exp import data
from mnist_exp.core import numerics
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.data import mnist


def load(root):
    return mnist.load(
        root=None if root is None else str(root), mirrors=[], attempts=1, timeout_seconds=1.0
    )


def write_npz(path, official, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "x_train": official.train.images,
        "y_train": official.train.labels,
        "x_test": official.test.images,
        "y_test": official.test.labels,
    }
    with path.open("wb") as file:
        np.savez(file, **{**arrays, **changes})


@pytest.fixture
def official(mnist_folder):
    return load(mnist_folder)


@pytest.fixture
def copy(tmp_path, mnist_folder):
    """A folder with copies of the four files that a test may damage."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in mnist.DIGESTS:
        shutil.copyfile(mnist_folder / f"{name}.gz", folder / f"{name}.gz")
    return folder


def assert_same(left, right):
    for split, other in ((left.train, right.train), (left.test, right.test)):
        assert np.array_equal(split.images, other.images)
        assert np.array_equal(split.labels, other.labels)


def test_the_real_files_are_the_real_digits(mnist_folder, official):
    assert np.bincount(official.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert official.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert official.source == mnist_folder.resolve().as_uri()


def test_the_root_may_be_the_folder_or_its_parent(mnist_folder):
    assert mnist.find(str(mnist_folder)) == mnist_folder
    assert mnist.find(str(mnist_folder.parent)) == mnist_folder


def test_plain_files_and_the_other_spelling_are_read(copy, official):
    for path in list(copy.iterdir()):
        plain = copy / path.name.removesuffix(".gz").replace("-idx", ".idx")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert_same(load(copy), official)


def test_the_npz_of_keras_is_read(tmp_path, official):
    write_npz(tmp_path / "data" / "mnist" / "mnist.npz", official)
    loaded = load(tmp_path / "data")
    assert_same(loaded, official)
    assert loaded.source.endswith("/mnist/mnist.npz")


@pytest.mark.parametrize("keras_home", [None, "elsewhere"])
def test_the_cache_of_keras_is_the_last_place(tmp_path, official, monkeypatch, keras_home):
    assert mnist.find(None) is None
    home = tmp_path / "home" / ".keras"
    if keras_home:
        home = tmp_path / keras_home
        monkeypatch.setenv("KERAS_HOME", str(home))
    write_npz(home / "datasets" / "mnist.npz", official)
    assert mnist.find(None) == home / "datasets" / "mnist.npz"
    assert_same(load(None), official)


def test_the_cache_of_keras_is_found_where_keras_itself_is_kept_from_it(
    tmp_path, official, monkeypatch
):
    for name in ("KERAS_BACKEND", "MNIST_EXP_KERAS_HOME"):
        monkeypatch.setenv(name, "")  # what is set below ends with this test
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "elsewhere"))
    file = tmp_path / "elsewhere" / "datasets" / "mnist.npz"
    write_npz(file, official)
    for _ in range(2):  # here, and in a process that is started from here
        numerics.choose(ours=True)
        assert os.environ["KERAS_HOME"] == os.devnull
        assert mnist.find(None) == file


def test_a_relative_cache_variable_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert mnist.default_root() == tmp_path / "home" / ".cache" / "mnist_exp" / "datasets"


# Permissions do not bind root; what is asked of a name that is too long fails in the same calls.
UNSEARCHABLE = "/" + 300 * "x"


def test_what_cannot_be_searched_holds_nothing(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, UNSEARCHABLE)
    assert mnist.find(None) is None
    with pytest.raises(ExperimentError, match=r"Expected to write MNIST to .*Set MNIST_EXP_DATA"):
        load(None)


@pytest.mark.parametrize("name", ["mnist", "idx"])
def test_a_root_that_cannot_be_read_is_a_request_error(name):
    with pytest.raises(RequestError, match=r"folder that can be read\. Received: /xxx.*too long"):
        data.require_place(name, UNSEARCHABLE)


def test_an_incomplete_folder_is_not_mnist(copy):
    (copy / "t10k-labels-idx1-ubyte.gz").unlink()
    assert mnist.find(str(copy)) is None


def test_without_files_and_mirrors_the_remedies_are_named(tmp_path):
    with pytest.raises(ExperimentError, match=r"Received: no mirrors\. Set MNIST_EXP_DATA"):
        load(tmp_path)


def alter(path):
    decoded = bytearray(gzip.decompress(path.read_bytes()))
    decoded[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(decoded)))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (alter, "Expected decoded bytes with SHA-256 ff7bcfd416de"),
        (truncate, "Expected a complete gzip file"),
        (lambda path: path.write_bytes(b""), "Received: e3b0c44298fc"),
        (lambda path: path.write_text("<html>"), "Expected decoded bytes with SHA-256"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(copy, damage, message):
    path = copy / "t10k-labels-idx1-ubyte.gz"
    damage(path)
    with pytest.raises(ExperimentError, match=message) as caught:
        load(copy)
    assert f" in {path}. Received: " in str(caught.value)
    assert "Delete the file" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": np.zeros(10_000, np.uint8)}, "y_test of uint8 with SHA-256 ff7bcfd416de"),
        ({"y_test": np.zeros(10_000)}, "Received: float64 with"),
        ({"y_test": np.array([{}])}, "Received: Object arrays cannot be loaded"),
    ],
)
def test_an_altered_npz_is_named(tmp_path, official, changes, message):
    path = tmp_path / "mnist.npz"
    write_npz(path, official, **changes)
    with pytest.raises(ExperimentError, match=message) as caught:
        load(tmp_path)
    assert str(path) in str(caught.value)


def test_a_broken_npz_is_named(tmp_path, official):
    path = tmp_path / "mnist.npz"
    write_npz(path, official)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"<html>", whole[:500] + b"x" + whole[501:]):
        path.write_bytes(content)
        with pytest.raises(ExperimentError, match=re.escape(str(path))):
            load(tmp_path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ExperimentError, match=re.escape(str(path))):
        load(tmp_path)
    np.savez(path, x_train=np.zeros(3))
    with pytest.raises(ExperimentError, match="y_train"):
        load(tmp_path)
