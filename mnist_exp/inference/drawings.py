"""Drawings that people filed with their true digits, as plain image files.

`drawings/7/20260131-120000-1a2b3c4d.png` shows a seven. Files that were put there by hand count
as well, whatever their name.
"""

import hashlib
import io
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_exp.core.digits import CLASSES
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.files import whole
from mnist_exp.core.locks import Lock
from mnist_exp.inference.decoding import images_in

FOLDER = Path("drawings")
MOST_DRAWINGS = 10_000  # that are filed; the pad may be open to a network
_LOCK = ".lock"
_NAME_CHARACTERS = 8  # of the digest


class Filed(NamedTuple):
    """What became of a drawing."""

    path: Path
    is_new: bool
    earlier: int | None  # the digit that it was filed with before, if that was another
    total: int  # drawings in the folder


class Drawing(NamedTuple):
    """One file, and what it shows."""

    path: Path
    label: int


def file_drawing(grey: NDArray[np.float32], digit: int, folder: Path = FOLDER) -> Filed:
    """Keeps a drawing with what it shows.

    The same drawing is kept once: with another digit it moves there, since the last word is taken
    for a correction. A file is there completely or not at all.

    Args:
        grey: float32 [H, W], 0 black to 1 white, as `decode` returns it. No more is kept of it:
            not the place and the camera that a photo names.
        digit: 0-9.
        folder: of the drawings; made where it is missing.

    Raises:
        RequestError: the folder is full.
        ExperimentError: it cannot be written.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * grey).astype(np.uint8)).save(buffer, "PNG")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()[:_NAME_CHARACTERS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock.take(folder / _LOCK, wait_seconds=math.inf)
        assert lock is not None
        with lock:
            return _kept(content, digest, digit, folder)
    except OSError as problem:
        raise ExperimentError(
            f"Expected to write the drawing into {folder}. Received: {reason_of(problem)}. Nothing "
            "was filed; make room, or check the permissions."
        ) from problem


def _kept(content: bytes, digest: str, digit: int, folder: Path) -> Filed:
    before = labelled(folder)
    home = folder / str(digit)
    home.mkdir(exist_ok=True)
    for path, label in before:
        if path.stem.endswith(f"-{digest}") and path.read_bytes() == content:
            if label == digit:
                return Filed(path, is_new=False, earlier=None, total=len(before))
            return Filed(
                path.rename(home / path.name), is_new=False, earlier=label, total=len(before)
            )
    if len(before) >= MOST_DRAWINGS:
        raise RequestError(
            f"Expected fewer than {MOST_DRAWINGS:,} drawings in {folder}. Received: one more. "
            "Nothing was filed; move the folder away to begin another."
        )
    path = home / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest}.png"
    with whole(path) as part:
        part.write_bytes(content)
    return Filed(path, is_new=True, earlier=None, total=len(before) + 1)


def labelled(folder: Path = FOLDER) -> list[Drawing]:
    """Returns the drawings of a folder, by digit and name; empty where there are none."""
    return [
        Drawing(file, digit) for digit in range(CLASSES) for file in images_in(folder / str(digit))
    ]


def digest(drawings: Iterable[Drawing]) -> str:
    """Returns the SHA-256, 64 hex digits, of what drawings show and of their files."""
    content = hashlib.sha256()
    for path, label in drawings:
        content.update(bytes([label]) + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def require(folder: Path) -> list[Drawing]:
    """Returns the drawings of a folder, at least one.

    Raises:
        RequestError: there is none, or they cannot be read.
    """
    try:
        found = labelled(folder.expanduser())
    except (OSError, RuntimeError) as problem:  # or of ~USER without such a user
        raise RequestError(
            f"Expected a folder that can be read. Received: {folder}, {reason_of(problem)}. Check "
            "its permissions."
        ) from problem
    if not found:
        raise RequestError(
            f"Expected drawings in {folder}, such as {folder / '7' / 'mine.png'} of a seven. "
            "Received: none. File some with `mnist-exp demo`, or name their folder with "
            "data.root=FOLDER."
        )
    return found
