"""The bytes of an image file -> grey values of a bearable size.

Files come from anybody: the format and the number of pixels are read from the header, and what is
too large is refused before a pixel is decoded.
"""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mnist_exp.core.errors import RequestError, reason_of

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MOST_BYTES = 64 * 2**20
MOST_PIXELS = 50_000_000  # of a phone's largest usual photo
FEWEST_PIXELS_A_SIDE = 8
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp")
WORKING_SIDE = 1024  # pixels; what is larger is reduced, since a digit needs a hundred

_WHITE_OF_16_BITS = 65535
_OPAQUE = 0.5  # more there than not
_CLEARER = 2.0  # times the range of lightness: less may be the noise of one colour
_ONE_COLOUR = 0.2  # so little do the grey values of one pen differ
# Paper is wider than twice this part of its longer side, or fills so much of the box around it.
_WIDEST_STROKE, _FULL = 0.2, 0.75

_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")  # of PNG, JPEG and WebP
_HEIC, _PDF = "a HEIC photo, as phones take them", "a PDF document"
_OTHERS = {  # what else is opened as an image: how it begins, from its first or fifth byte on
    **dict.fromkeys((b"ftyphe", b"ftypmif1", b"ftypmsf1"), _HEIC),
    b"ftypavif": "an AVIF image",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"%PDF": _PDF,
}
_REMEDIES = {
    _HEIC: "Send or save it as JPEG. (An iPhone takes JPEG photos after Settings, Camera, Formats, "
    "Most Compatible.)",
    _PDF: "Save the page as PNG, or take a picture of the screen.",
}
_SAVE_ANEW = "Open it in another program, and save it as PNG or JPEG."
_SMALLER = "Make it smaller, or cut out the part that shows digits."
_LARGER = "Give a larger picture."
_CUT_OUT = "Cut out the part that shows digits."


def decode(content: bytes, name: str) -> NDArray[np.float32]:
    """Decodes an image.

    Args:
        content: of a PNG, JPEG, WebP or BMP file, in any colour mode, transparent or not.
        name: of the image, for messages.

    Returns:
        float32 [H, W], 0 black to 1 white, upright, its longer side at most 1,024 pixels; of ink
        that is as light as its ground, the colour in which they differ most. Of a
        drawing on a transparent ground, what is drawn is black on white.

    Raises:
        RequestError: it is none, too large, too small, animated, or broken.
    """
    if not content:
        raise _refused(name, "an image", "an empty file", "Copy it anew, or give another.")
    if len(content) > MOST_BYTES:
        received = f"{len(content) / 2**20:.0f} MiB"
        raise _refused(name, f"at most {MOST_BYTES // 2**20} MiB", received, _SMALLER)
    image = _opened(content, name)
    try:
        # Of a JPEG, this decodes what is needed.
        image.draft(image.mode, (WORKING_SIDE, WORKING_SIDE))
        values = grey(image)
    except Exception as problem:  # a decoder may raise anything on a broken file
        raise _broken(name, problem) from problem
    if min(values.shape) < FEWEST_PIXELS_A_SIDE:  # its longer side was reduced, and this one too
        received = f"{image.size[0]:,} x {image.size[1]:,}, too long for its width"
        raise _refused(name, f"at least {FEWEST_PIXELS_A_SIDE} pixels a side", received, _CUT_OUT)
    return values


def read(file: Path) -> bytes:
    """Returns the bytes of a file: no more than `decode` takes, and one.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as problem:
        raise RequestError(
            f"{file}: Expected a file that can be read. Received: {reason_of(problem)}. Check its "
            "permissions."
        ) from problem


def images_in(folder: Path) -> list[Path]:
    """Returns the image files of a folder by name, hidden ones left out; none of no folder.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(
        file
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def grey(image: Image.Image) -> NDArray[np.float32]:
    """Returns the grey values of an opened image; see `decode`."""
    factor = -(-max(image.size) // WORKING_SIDE)
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(_reduced(image.convert("F"), factor))
        most = float(values.max())  # some have fewer bits in the lower part of 16
        white = _WHITE_OF_16_BITS if most > _WHITE_OF_16_BITS / 16 else max(most, 1.0)
        return np.clip(values / white, 0, 1).astype(np.float32)
    if image.has_transparency_data:
        return _on_paper(_reduced(image.convert("RGBA"), factor))
    if image.mode in {"1", "L"}:
        return _scaled(_reduced(image.convert("L"), factor))
    return _light(_reduced(image.convert("RGB"), factor))


def _opened(content: bytes, name: str) -> Image.Image:
    """Reads the header, and refuses what should not be decoded."""
    try:
        with warnings.catch_warnings():  # what is too large is refused in words of our own
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        width, height = image.size
        frames = getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as problem:
        most = f"at most {MOST_PIXELS:,} pixels"
        raise _refused(name, most, "many times more", _SMALLER) from problem
    except UnidentifiedImageError as problem:
        if content.startswith(_BEGINNINGS):
            raise _broken(name, EOFError("it breaks off")) from problem
        kind, remedy = _kind(content)
        raise _refused(name, "a PNG, JPEG, WebP or BMP image", kind, remedy) from problem
    except Exception as problem:  # as above
        raise _broken(name, problem) from problem
    size = f"{width:,} x {height:,}"
    if width * height > MOST_PIXELS:
        raise _refused(name, f"at most {MOST_PIXELS:,} pixels", size, _SMALLER)
    if min(width, height) < FEWEST_PIXELS_A_SIDE:
        raise _refused(name, f"at least {FEWEST_PIXELS_A_SIDE} pixels a side", size, _LARGER)
    if frames > 1 and image.format in {"PNG", "WEBP"}:  # a JPEG may hold a second view
        received = f"an animation of {frames} frames"
        raise _refused(name, "one picture", received, "Save one of its frames as PNG.")
    return image


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    return image if factor <= 1 else image.reduce(factor)


def _on_paper(image: Image.Image) -> NDArray[np.float32]:
    """Puts a transparent image on a ground from which it stands out."""
    red, green, blue, alpha = image.split()
    cover = _scaled(alpha)
    light = _light(Image.merge("RGB", (red, green, blue)))
    there = cover > _OPAQUE
    if there.all():
        return light
    opaque = light[there]
    if _is_stroke(there) or np.ptp(opaque) < _ONE_COLOUR:  # what is drawn is where it is opaque
        return 1 - cover
    return light * cover + np.float32(np.median(opaque)) * (1 - cover)


def _is_stroke(there: NDArray[np.bool_]) -> bool:
    """Tells whether the opaque part of an image is drawn on nothing, and is no paper cut out."""
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return True
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    inside = cv2.distanceTransform(np.pad(there, 1).view(np.uint8), cv2.DIST_L2, 3)
    thin = float(inside.max()) < _WIDEST_STROKE * max(height, width)
    return bool(thin and there.sum() < _FULL * height * width)


def _light(colours: Image.Image) -> NDArray[np.float32]:
    """Returns the lightness of an RGB image, or of one colour where only that tells ink and ground.

    Red on green of the same lightness shows in red alone.
    """
    light = _scaled(colours.convert("L"))
    clearest = max((_scaled(channel) for channel in colours.split()), key=np.ptp)
    return clearest if np.ptp(clearest) > _CLEARER * np.ptp(light) else light


def _scaled(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255)


def _kind(content: bytes) -> tuple[str, str]:
    """Returns what a file of another format is, and what to do about it."""
    if b"<svg" in content[:1024]:
        return "an SVG drawing", _SAVE_ANEW
    for start, kind in _OTHERS.items():
        if content.startswith(start) or content.startswith(start, 4):
            return kind, _REMEDIES.get(kind, _SAVE_ANEW)
    if min(content[:64].translate(None, b"\t\n\r"), default=0) >= ord(" "):
        return "a text", "Give a photo or a drawing."
    kind = f"a file that is none of them; it begins with {content[:16].hex(' ')}"
    return kind, "Give a photo or a drawing."


def _refused(name: str, expected: str, received: str, remedy: str) -> RequestError:
    return RequestError(f"{name}: Expected {expected}. Received: {received}. {remedy}")


def _broken(name: str, problem: Exception) -> RequestError:
    received = f"a broken one ({reason_of(problem)})"
    return _refused(name, "a whole image file", received, "Copy or save it anew, or give another.")
