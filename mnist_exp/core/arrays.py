"""`.npz` files that others may have written: plain arrays, and no more of them than allowed."""

import math
import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.errors import reason_of


def read(
    file: BinaryIO, names: Iterable[str] | None = None, *, most_bytes: int
) -> dict[str, NDArray[Any]]:
    """Returns arrays of a file that NumPy saved, without memory for more than they may take.

    Args:
        file: open for reading.
        names: of the arrays; None for all.
        most_bytes: of all of them together.

    Raises:
        ValueError: it is no such file, lacks one, holds objects, or more than that.
        OSError: it cannot be read.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in members if names is None else names:
                found[name] = _array(archive, name, most_bytes)
                most_bytes -= found[name].nbytes
    except (OSError, ValueError):
        raise
    except Exception as problem:  # of each method of compression another, and of encryption
        raise ValueError(reason_of(problem)) from problem
    return found


def _array(archive: zipfile.ZipFile, name: str, most_bytes: int) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"{name} in version {version} of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if math.prod(shape) * max(dtype.itemsize, 1) > most_bytes:
        raise ValueError(
            f"{name} of type {dtype} and shape {shape}, more than {most_bytes:,} bytes"
        )
    with archive.open(f"{name}.npy") as stream:
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError(f"{name} with more than its shape {shape} demands")
        return values
