"""Image files as people have them, and as they break: grey values or one clear refusal."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from drawn import STROKES, draw, encoded
from PIL import Image

from mnist_exp.core.errors import RequestError
from mnist_exp.inference import decode
from mnist_exp.inference.decoding import WORKING_SIDE
from mnist_exp.inference.ink import find_ink

SEVEN = draw(STROKES[7])
EXPECTED = SEVEN.astype(np.float32) / 255


def colour(alpha=255):
    return np.dstack([SEVEN, SEVEN, SEVEN, np.full_like(SEVEN, alpha)])


def close(grey, tolerance=0.02):
    return np.abs(grey - EXPECTED).mean() < tolerance


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "I;16"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("BMP", "L"),
        ("BMP", "1"),
        ("BMP", "RGB"),
    ],
)
def test_every_form_and_colour_mode(form, mode):
    if mode == "I;16":
        image = Image.fromarray(SEVEN.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(SEVEN).convert(mode)
    grey = decode(encoded(image, form), "x")
    assert grey.dtype == np.float32
    assert grey.shape == SEVEN.shape
    assert close(grey)


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ((220, 30, 30), (40, 120, 40)),
        ((90, 120, 250), (128, 128, 128)),
        ((255, 230, 0), (255, 255, 255)),
        ((0, 0, 0), (250, 250, 240)),
    ],
)
@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("PNG", "RGBA")])
def test_ink_as_light_as_its_ground_is_found(ink, ground, form, mode):
    cover = (1 - EXPECTED)[..., None]
    pixels = cover * np.array(ink) + (1 - cover) * np.array(ground)
    image = Image.fromarray(pixels.round().astype(np.uint8)).convert(mode)
    found = find_ink(decode(encoded(image, form), "x"))
    assert found is not None
    drawn = cover[..., 0] > 0.5
    assert ((found > 0.5) != drawn).sum() < 0.05 * drawn.sum()


def test_a_drawing_on_a_transparent_ground():
    ink = 255 - SEVEN
    for value in (0, 255):  # black strokes, and white ones
        pad = np.dstack([np.full_like(SEVEN, value)] * 3 + [ink])
        assert close(decode(encoded(pad), "x"))


def test_a_drawing_in_two_colours_on_a_transparent_ground():
    pad = np.dstack([np.zeros_like(SEVEN)] * 3 + [255 - SEVEN])
    pad[:, 140:, 0] = 255  # half in black, half in red
    assert close(decode(encoded(pad), "x"))


def test_a_drawing_whose_white_was_made_transparent():
    """As programs do that have no half transparency: the soft edges stay grey."""
    pad = np.dstack([SEVEN] * 3 + [np.where(SEVEN < 250, 255, 0).astype(np.uint8)])
    assert close(decode(encoded(pad), "x"), tolerance=0.03)


def test_bits_in_the_lower_part_of_sixteen():
    for bits in (8, 12):
        values = (SEVEN.astype(np.uint16) * 257) >> (16 - bits)
        assert close(decode(encoded(Image.fromarray(values)), "x"), tolerance=0.03)


def test_a_paper_on_a_transparent_ground():
    sheet = colour()
    sheet[:20, :, 3] = 0
    assert close(decode(encoded(sheet), "x"))
    turned = Image.fromarray(colour()).rotate(30, expand=True)
    assert np.ptp(decode(encoded(turned), "x")[150:250, 150:250]) > 0.9  # its ink is still seen


def test_little_or_pale_ink_on_an_opaque_ground_is_kept():
    """As a canvas in a browser gives it: with an alpha channel that says nothing."""
    for ink in (0, 215):
        sheet = np.full((480, 480, 4), 255, np.uint8)
        sheet[200:300, 230:245, :3] = ink
        assert decode(encoded(sheet), "x")[250, 235] == pytest.approx(ink / 255, abs=0.01)


def test_a_wholly_transparent_image_is_blank():
    assert (decode(encoded(colour(alpha=0)), "x") == 1).all()


def test_a_photo_is_turned_upright():
    image = Image.fromarray(SEVEN)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise when shown
    turned = encoded(image.rotate(90, expand=True), "JPEG", exif=exif)
    assert close(decode(turned, "x"))


def test_large_images_are_reduced():
    image = Image.fromarray(SEVEN).resize((5000, 3000))
    for form in ("PNG", "JPEG"):
        assert max(decode(encoded(image, form), "x").shape) <= WORKING_SIDE


def animation(form):
    frames = [Image.fromarray(SEVEN), Image.fromarray(255 - SEVEN)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def bomb(width, height):
    """Returns a PNG file that claims to be large."""

    def chunk(name, data):
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(10_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "an empty file. Copy it anew"),
        (b"I am not an image at all", "a text. Give a photo or a drawing."),
        (b"\0\1\2 neither", "none of them; it begins with 00 01 02 20 6e"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo, as phones take them. Send"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC photo"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image. Open it in another program"),
        (b"%PDF-1.7\n", "a PDF document. Save the page as PNG"),
        (encoded(SEVEN, "TIFF"), "a TIFF image"),
        (b"<?xml version='1.0'?>\n<svg/>", "an SVG drawing"),
        (encoded(SEVEN)[:30], "a broken one (EOFError: it breaks off)"),
        (encoded(SEVEN)[:200], "a broken one"),
        (encoded(SEVEN, "JPEG")[:100], "a broken one"),
        (encoded(SEVEN, "GIF"), "a GIF image"),
        (encoded(np.zeros((1, 1), np.uint8)), "1 x 1. Give a larger picture."),
        (encoded(np.zeros((7, 300), np.uint8)), "300 x 7"),
        (encoded(np.zeros((30, 9000), np.uint8)), "9,000 x 30, too long"),
        (animation("PNG"), "an animation of 2 frames. Save one"),
        (animation("WEBP"), "an animation of 2 frames"),
        (bomb(20_000, 20_000), "many times more"),
        (bomb(10_000, 6_000), "10,000 x 6,000. Make it smaller"),
        (bytes(64 * 2**20 + 1), "64 MiB"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_what_is_no_image_is_refused(content, received):
    with pytest.raises(RequestError) as refusal:
        decode(content, "photo.png")
    text = str(refusal.value)
    assert text.startswith("photo.png: Expected ")
    assert received in text
    assert "\n" not in text
    assert len(text) < 500


@pytest.mark.parametrize("size", [(64, 8000), (8000, 72), (8, 1024), (1025, 17)])
def test_what_was_decoded_can_be_written_and_decoded_again(size):
    values = decode(encoded(np.full(size, 255, np.uint8)), "x")
    again = decode(encoded((255 * values).astype(np.uint8)), "x")
    np.testing.assert_array_equal(again, values)


def test_a_bomb_costs_no_memory():
    content = bomb(20_000, 20_000)
    tracemalloc.start()
    with pytest.raises(RequestError, match="pixels"):
        decode(content, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
