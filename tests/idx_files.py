"""A data set as four IDX files, as `data=idx` reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mnist_exp.data import Split, idx, mnist


def write_array(file: Path, values: ArrayLike) -> None:
    """Writes numbers from 0 to 255 as an IDX file."""
    array = np.asarray(values).astype(np.uint8)
    file.write_bytes(idx.header(array.shape) + array.tobytes())


def write(folder: Path, *, train: Split, test: Split) -> Path:
    """Writes the four files into a folder, which may exist; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = (train.images, train.labels, test.images, test.labels)
    for name, array in zip(mnist.DIGESTS, arrays, strict=True):
        write_array(folder / name, array)
    return folder


def noise(count: int, *, seed: int) -> Split:
    """Returns images of noise, uint8 [count, 28, 28], labelled 0 to 9 in turn."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return Split(images, (np.arange(count) % 10).astype(np.uint8))
