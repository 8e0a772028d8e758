"""IDX files: the format of MNIST, and `data=idx`, any folder of such files.

Only what digits need is read: unsigned bytes, of one dimension (labels) or three (images).
The format is described at the end of LeCun, Cortes and Burges, "The MNIST database".
"""

import gzip
import hashlib
import re
import struct
import zlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE
from mnist_exp.core.errors import RequestError
from mnist_exp.data.splits import Official, Split

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
# Code in the header -> what it says of the values.
_TYPES = {
    _UNSIGNED_BYTE: "unsigned bytes",
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}
MOST_BYTES = 2**30  # of a file, decoded: the largest of EMNIST has half as many
KNOWN_BYTES = 2**26  # of one whose digest is known: the largest of MNIST has 47,040,016
_FORM = "Give a data.root whose files hold the ten digits in MNIST's form."
_COPY = "Copy the file there again."
_CHUNK_BYTES = 2**20
_FILE_NAME = re.compile(r"(train|t10k|test)[-_.]?(images|labels)", re.IGNORECASE)
_IMAGES_DIMENSIONS = 3
_LABELS_DIMENSIONS = 1


class FormatError(Exception):
    """A file does not hold what its name says; whoever names the remedy catches this."""

    def __init__(self, expected: str, received: str, remedy: str = _COPY) -> None:
        """Keeps both halves of the message, as phrases without a full stop, and what to do."""
        super().__init__(f"Expected {expected}. Received: {received}.")
        self.expected = expected
        self.received = received
        self.remedy = remedy


def header(shape: Sequence[int]) -> bytes:
    """Returns the first bytes of an IDX file of unsigned bytes with this shape."""
    return struct.pack(f">HBB{len(shape)}I", 0, _UNSIGNED_BYTE, len(shape), *shape)


def decode(path: Path, most_bytes: int) -> bytes:
    """Returns the bytes of a file, without gzip if it is compressed, whatever its name says.

    Args:
        path: The file.
        most_bytes: That it may hold; a small compressed file can stand for more than the memory.

    Raises:
        FormatError: If it holds more, or the compressed stream is damaged or ends early.
        OSError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            return _limited(gzip.GzipFile(fileobj=file) if compressed else file, most_bytes)
    except EOFError:
        received = f"one that ends early, after {path.stat().st_size:,} bytes"
    except (gzip.BadGzipFile, zlib.error) as error:
        received = f"damaged data ({error})"
    raise FormatError("a complete gzip file", received)


def _limited(stream: gzip.GzipFile | BufferedReader, most_bytes: int) -> bytes:
    content = bytearray()
    while chunk := stream.read(_CHUNK_BYTES):
        content += chunk
        if len(content) > most_bytes:
            raise FormatError(f"at most {most_bytes:,} bytes", "more")
    return bytes(content)


def parse(decoded: bytes, dimensions: int) -> NDArray[np.uint8]:
    """Returns the array in decoded IDX bytes: uint8, read-only, no copy.

    Raises:
        FormatError: If magic number, number of dimensions or number of bytes are not exact.
    """
    magic = header((0,) * dimensions)[:4]
    if decoded[:4] != magic:
        raise FormatError(
            f"IDX data of unsigned bytes in {dimensions} dimension(s), which open with "
            f"0x{magic.hex()}",
            *_other(decoded, dimensions),
        )
    start = 4 + 4 * dimensions
    if len(decoded) < start:
        raise FormatError(f"an IDX header of {start} bytes", f"{len(decoded)} bytes in all")
    shape = struct.unpack(f">{dimensions}I", decoded[4:start])
    size = start + int(np.prod(shape, dtype=object))
    if len(decoded) != size:
        raise FormatError(
            f"{size:,} bytes, as the header's shape {list(shape)} demands",
            f"{len(decoded):,} bytes",
        )
    return np.frombuffer(decoded, dtype=np.uint8, offset=start).reshape(shape)


def _other(decoded: bytes, dimensions: int) -> tuple[str, str]:
    """Returns what opens with another magic number, and what to do."""
    if not decoded:
        return "an empty file", _COPY
    received = f"0x{decoded[:4].hex()}"
    known = decoded[:2] == b"\0\0" and len(decoded) >= len(header(())) and _TYPES.get(decoded[2])
    if not known:
        return received, _COPY
    wanted = "one label, 0 to 9, for each image"
    if dimensions == _IMAGES_DIMENSIONS:
        wanted = "grey values, 0 to 255, in the shape [N, 28, 28]"
    remedy = f"Write it anew as unsigned bytes: {wanted}."
    return f"{received}, {known} in {decoded[3]} dimension(s)", remedy


def read(path: Path, *, dimensions: int, digest: str | None) -> NDArray[np.uint8]:
    """Reads one IDX file, gzip or plain.

    Args:
        path: The file.
        dimensions: 3 for images, 1 for labels.
        digest: SHA-256 in hex that the decoded bytes, header included, must have; None accepts
            any content in the right form.

    Returns:
        uint8 [N, height, width] or [N], read-only.

    Raises:
        FormatError: If the content is not what was expected.
        OSError: If the file cannot be read.
    """
    decoded = decode(path, MOST_BYTES if digest is None else KNOWN_BYTES)
    if digest is not None:
        received = hashlib.sha256(decoded).hexdigest()
        if received != digest:
            raise FormatError(f"decoded bytes with SHA-256 {digest}", received)
    return parse(decoded, dimensions)


def load(*, root: str) -> Official:
    """Reads a folder that holds one set of IDX files: training and test images with labels.

    Files are recognised by `train`, or `t10k` or `test`, followed by `images` or `labels` in
    their names, so that MNIST, Fashion-MNIST and EMNIST names all do. EMNIST stores its images
    transposed; they are taken as they are.

    Raises:
        RequestError: If a file is absent, ambiguous or broken, or not of 28x28 digits.
    """
    train, test = (_read_pair(*files) for files in find(root))
    return Official(train, test, Path(root).expanduser().resolve().as_uri())


def find(root: str) -> list[tuple[Path, Path]]:
    """Returns the files of images and labels, of training and of test, without reading them.

    Raises:
        RequestError: If a file is absent or ambiguous.
    """
    folder = Path(root).expanduser()
    return [
        (_only_file(folder, parts, "images"), _only_file(folder, parts, "labels"))
        for parts in (("train",), ("t10k", "test"))
    ]


def files(root: str) -> list[Path]:
    """Returns the files that a folder is read from.

    Raises:
        RequestError: If a file is absent or ambiguous.
    """
    return [file for pair in find(root) for file in pair]


def _read_pair(images_path: Path, labels_path: Path) -> Split:
    images = _read_any(images_path, _IMAGES_DIMENSIONS)
    labels = _read_any(labels_path, _LABELS_DIMENSIONS)
    if images.shape[1:] != IMAGE_SHAPE or len(images) == 0:
        received, remedy = ", ".join(map(str, images.shape)), _FORM
        expected, path = "images of 28x28 pixels", images_path
    elif len(labels) != len(images):
        expected, path = f"{len(images)} labels", labels_path
        received, remedy = str(len(labels)), _FORM
    elif int(labels.max()) >= CLASSES:
        expected, path = "labels from 0 to 9", labels_path
        received = f"labels from {labels.min()} to {labels.max()}"
        remedy = "Subtract 1 from every label." if _from_one(labels) else _FORM
    else:
        return Split(images, labels)
    raise RequestError(f"Expected {expected} in {path}. Received: {received}. {remedy}")


def _from_one(labels: NDArray[np.uint8]) -> bool:
    return (int(labels.min()), int(labels.max())) == (1, CLASSES)


def _read_any(path: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        return read(path, dimensions=dimensions, digest=None)
    except FormatError as error:
        message = f"Expected {error.expected} in {path}. Received: {error.received}."
        raise RequestError(f"{message} {error.remedy}") from error
    except OSError as error:
        raise RequestError(
            f"Expected a readable file at {path}. Received: {error.strerror}. "
            "Check its permissions."
        ) from error


def _only_file(folder: Path, parts: Sequence[str], kind: str) -> Path:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        match = _FILE_NAME.search(path.name)
        if match and match[1].lower() in parts and match[2].lower() == kind and path.is_file():
            # A file that lies there compressed and plain is one file; the plain one is taken.
            found[path.name.removesuffix(".gz")] = path
    if len(found) != 1:
        names = " or ".join(f"{part}-{kind}" for part in parts)
        received = ", ".join(sorted(path.name for path in found.values())) or "none"
        raise RequestError(
            f"Expected exactly one IDX file with {names} in its name in {folder}. "
            f"Received: {received}. Give a data.root that holds one set of four files."
        )
    return next(iter(found.values()))
