"""`data=mnist`: the original 70,000 digits, from wherever they lie or else from a mirror.

Whatever the container, the decoded bytes must be the published ones; nothing else is loaded.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core import arrays, cache, numerics
from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.files import is_file
from mnist_exp.data import download, idx
from mnist_exp.data.splits import Official, Split

# SHA-256 of the decoded bytes, IDX header included.
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
# The names of the same four arrays in Keras's mnist.npz.
_NPZ_KEYS = dict(zip(DIGESTS, ("x_train", "y_train", "x_test", "y_test"), strict=True))
_MOST_BYTES = 2**26  # the published ones take 52 MiB
_REMEDY = "Delete the file; the next run downloads MNIST again."


def load(
    *, root: str | None, mirrors: Sequence[str], attempts: int, timeout_seconds: float
) -> Official:
    """Reads MNIST, downloading it into `<root>/mnist` first if it is in none of its places.

    Args:
        root: A folder with the files, or with a folder `mnist` that has them. None means
            `default_root()`.
        mirrors: Addresses of folders that hold the four .gz files, tried in turn.
        attempts: Tries of each mirror.
        timeout_seconds: How long a mirror may be silent.

    Returns:
        60,000 training and 10,000 test images, with the place they were read from.

    Raises:
        ExperimentError: If a file is altered or unreadable, or nothing could be downloaded.
    """
    place = find(root)
    if place is None:
        place = _root_folder(root) / "mnist"
        download.fetch(
            place, DIGESTS, mirrors=mirrors, attempts=attempts, timeout_seconds=timeout_seconds
        )
    found = _read_npz(place) if place.is_file() else _read_folder(place)
    train = Split(found["train-images-idx3-ubyte"], found["train-labels-idx1-ubyte"])
    test = Split(found["t10k-images-idx3-ubyte"], found["t10k-labels-idx1-ubyte"])
    return Official(train, test, place.resolve().as_uri())


def find(root: str | None) -> Path | None:
    """Returns where MNIST lies, without reading it: a folder of IDX files, or an mnist.npz.

    Args:
        root: As for `load`; a folder that does not exist holds nothing.

    Returns:
        The first place that has all of it, or None if it must be downloaded.
    """
    folder = _root_folder(root)
    for candidate in (folder / "mnist", folder):
        if all(_idx_file(candidate, name) for name in DIGESTS):
            return candidate
        if is_file(candidate / "mnist.npz"):
            return candidate / "mnist.npz"
    for candidate in (numerics.keras_home(), Path("~/.keras").expanduser()):
        if is_file(candidate / "datasets" / "mnist.npz"):
            return candidate / "datasets" / "mnist.npz"
    return None


def files(root: str | None) -> list[Path]:
    """Returns the files that MNIST is read from; none where it must be downloaded.

    Args:
        root: As for `load`.
    """
    place = find(root)
    if place is None or place.is_file():
        return [place] if place else []
    return [file for name in DIGESTS if (file := _idx_file(place, name))]


def default_root() -> Path:
    """Returns the folder for data sets in the user's cache."""
    return cache.folder("datasets")


def _root_folder(root: str | None) -> Path:
    return default_root() if root is None else Path(root).expanduser()


def _idx_file(folder: Path, name: str) -> Path | None:
    """Returns the file called `name` in one of its spellings, plain before compressed."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if is_file(path):
                return path
    return None


def _read_folder(folder: Path) -> dict[str, NDArray[np.uint8]]:
    found = {}
    for name, digest in DIGESTS.items():
        path = _idx_file(folder, name)
        if path is None:  # deleted since it was found
            raise _broken(folder, idx.FormatError(name, "no such file"))
        try:
            found[name] = idx.read(path, dimensions=3 if "images" in name else 1, digest=digest)
        except idx.FormatError as error:
            raise _broken(path, error) from error
        except OSError as error:
            raise _unreadable(path, error) from error
    return found


def _read_npz(path: Path) -> dict[str, NDArray[np.uint8]]:
    try:
        with path.open("rb") as file:
            found = arrays.read(file, _NPZ_KEYS.values(), most_bytes=_MOST_BYTES)
    except ValueError as error:
        expected = f"arrays {', '.join(_NPZ_KEYS.values())}"
        raise _broken(path, idx.FormatError(expected, str(error))) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    named = {name: found[key] for name, key in _NPZ_KEYS.items()}
    for name, array in named.items():
        state = hashlib.sha256(idx.header(array.shape))
        state.update(np.ascontiguousarray(array).data)
        if array.dtype != np.uint8 or state.hexdigest() != DIGESTS[name]:
            expected = f"{_NPZ_KEYS[name]} of uint8 with SHA-256 {DIGESTS[name]} as an IDX file"
            received = f"{array.dtype} with {state.hexdigest()}"
            raise _broken(path, idx.FormatError(expected, received))
    return named


def _broken(path: Path, error: idx.FormatError) -> ExperimentError:
    return ExperimentError(
        f"Expected {error.expected} in {path}. Received: {error.received}. {_REMEDY}"
    )


def _unreadable(path: Path, error: OSError) -> ExperimentError:
    return ExperimentError(
        f"Expected a readable file at {path}. Received: {error.strerror or error}. "
        "Check its permissions, or set MNIST_EXP_DATA to another folder."
    )
