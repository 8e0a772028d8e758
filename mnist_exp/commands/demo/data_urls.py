"""Pictures as data URLs: what the pad sends, and what it is answered."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_exp.core.errors import RequestError
from mnist_exp.inference import decode
from mnist_exp.inference.decoding import WORKING_SIDE

MOST_FILE_BYTES = 16 * 2**20
_NAME_CHARACTERS = 80
# A photo takes up to 500 MB while it is decoded, which the allocator keeps for its thread: all
# photos take turns in one. Drawings are small, and pass them while Gradio's 40 threads do not
# all wait.
_photos = ThreadPoolExecutor(1)


def picture_of(value: Any) -> NDArray[np.float32] | None:
    """Returns what the pad sent, as grey values.

    Args:
        value: a data URL, from anybody.

    Returns:
        float32 [H, W], 0 black to 1 white; None of a clear pad.

    Raises:
        RequestError: it is no image, or one that is too large.
    """
    if not value:
        return None
    head, content = _parts(value)
    named = head.partition(";name=")[2].partition(";")[0]
    name = unquote(named)[:_NAME_CHARACTERS] or "The image"
    if _is_small(content):
        return decode(content, name)
    return _photos.submit(decode, content, name).result()


def is_drawing(value: Any) -> bool:
    """Tells whether the pad shows already what it sent, unlike an image file that was opened."""
    return isinstance(value, str) and value.startswith("data:image/png")


def data_url(grey: NDArray[np.float32]) -> str:
    """Returns grey values as the pad shows them.

    Args:
        grey: float32 [H, W], 0 black to 1 white.
    """
    return png_url(np.rint(255 * grey).astype(np.uint8))


def png_url(pixels: NDArray[np.uint8]) -> str:
    """Returns uint8 [H, W], 0 black to 255 white, as a data URL."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _parts(value: Any) -> tuple[str, bytes]:
    """Returns what a data URL says of its content, and the content."""
    head, comma, text = value.partition(",") if isinstance(value, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise RequestError("Expected a data URL in base64. Received: something else.")
    try:
        return head, base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise RequestError("Expected base64. Received: other characters.") from problem


def _is_small(content: bytes) -> bool:
    """Tells whether this is a PNG file of the size that the pad itself makes, as Pillow reads it.

    Of a header that comes twice, Pillow takes the last.
    """
    try:
        return max(Image.open(io.BytesIO(content), formats=("PNG",)).size) <= WORKING_SIDE
    except Exception:  # noqa: BLE001 - `decode` says what is wrong with it
        return False
