"""Image files that are opened on the drawing pad, whole ones and others."""

import io
import zlib

import pytest
from pads import (
    DIGITS,
    click,
    draw,
    eventually,
    image_of,
    open_image,
    paper,
    problems,
    read_after,
    said,
    texts,
)
from PIL import Image, ImageOps
from selenium.webdriver.common.by import By

from mnist_exp.commands.demo import data_urls

pytestmark = pytest.mark.xdist_group("demo")  # one trained project


def test_an_image_is_opened_shown_read_and_drawn_upon(page, tmp_path):
    file = tmp_path / "seven.png"
    file.write_bytes(image_of(7, side=600))
    [text] = read_after(page, lambda: open_image(page, file))
    canvas = page.find_element(By.CSS_SELECTOR, "#pad canvas")
    assert text == "7"
    assert canvas.get_property("width") == 600
    draw(page, DIGITS[1], 0.75, 0.25, 0.2)
    eventually(page, lambda: len(texts(page)[0]) == 2)
    click(page, "clear")
    eventually(page, lambda: said(page).startswith("Draw a digit"))
    assert canvas.get_property("width") == 480


def bomb():
    """Returns a PNG file that says it has 20,000 x 20,000 pixels, and has them."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    side = (20_000).to_bytes(4, "big")
    packer = zlib.compressobj(9)
    rows = b"".join([*(packer.compress(bytes(2501)) for _ in range(20_000)), packer.flush()])
    header = chunk(b"IHDR", side + side + b"\x01\x00\x00\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_the_size_of_a_drawing_is_the_one_that_pillow_reads():
    drawing = io.BytesIO()
    Image.new("L", (480, 480)).save(drawing, "PNG")
    start, header, rest = (drawing.getvalue()[part] for part in
                           (slice(8), slice(8, 33), slice(33, None)))  # fmt: skip
    photo = io.BytesIO()
    Image.new("L", (2000, 1500)).save(photo, "PNG")
    assert data_urls._is_small(start + header + rest)
    assert not data_urls._is_small(photo.getvalue())
    assert not data_urls._is_small(start + header + photo.getvalue()[8:])  # two headers
    assert not data_urls._is_small(b"no image")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
BAD = {
    "text.png": (b"This is text.", "Expected a PNG, JPEG, WebP or BMP image. Received: a text."),
    "half.png": (image_of(3, side=900)[:-900], "Expected a whole image file."),
    "bomb.png": (bomb(), "Expected at most 50,000,000 pixels."),
    "<b>.png": (b"", "Expected an image. Received: an empty file."),
    "large.png": (bytes(17 * 2**20), "Expected at most 16 MiB. Received: 17 MiB. Make the"),
    "IMG_1.HEIC": (HEIC, "Received: a HEIC photo, as phones take them. Send or save it as JPEG."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_told_and_leaves_the_drawing(page, tmp_path, name):
    content, message = BAD[name]
    file = tmp_path / name
    file.write_bytes(content)
    assert read_after(page, lambda: draw(page, DIGITS[7])) == ["7"]
    drawn = paper(page)
    open_image(page, file)
    [problem] = eventually(page, lambda: problems(page))
    assert problem.startswith(f"{name}: ")
    assert message in problem
    assert paper(page) == drawn
    assert texts(page) == ["7"]
    draw(page, DIGITS[1], 0.85, 0.25, 0.1)
    eventually(page, lambda: not problems(page))


def test_one_error_is_told_at_a_time_and_a_second_file_leaves_the_first(page, tmp_path):
    files = {name: tmp_path / name for name in ("large.png", "text.png", "seven.png")}
    files["large.png"].write_bytes(BAD["large.png"][0])
    files["text.png"].write_bytes(BAD["text.png"][0])
    files["seven.png"].write_bytes(image_of(7))
    assert read_after(page, lambda: open_image(page, files["seven.png"])) == ["7"]
    draw(page, DIGITS[1], 0.75, 0.25, 0.2)
    eventually(page, lambda: len(texts(page)[0]) == 2)
    drawn = paper(page)
    for name in ("text.png", "large.png", "text.png"):
        open_image(page, files[name])
        eventually(
            page, lambda name=name: [one.partition(":")[0] for one in problems(page)] == [name]
        )
        assert paper(page) == drawn
    click(page, "undo")
    eventually(page, lambda: not problems(page) and texts(page) == ["7"])


def test_a_picture_of_nothing_is_shown_and_said_to_be(page, tmp_path):
    file = tmp_path / "white.png"
    Image.new("RGB", (300, 200), "white").save(file)
    open_image(page, file)
    eventually(page, lambda: "Nothing drawn" in said(page))
    assert page.find_element(By.CSS_SELECTOR, "#pad canvas").get_property("width") == 300


def test_a_small_dark_picture_is_shown_large_and_drawn_on_in_white(page, tmp_path):
    file = tmp_path / "seven.png"
    with Image.open(io.BytesIO(image_of(7, side=112))) as seven:
        dark = Image.new("L", (112, 56), 0)
        dark.paste(ImageOps.invert(seven.convert("L")).resize((56, 56)), (0, 0))
    dark.save(file)
    assert read_after(page, lambda: open_image(page, file)) == ["7"]
    canvas = page.find_element(By.CSS_SELECTOR, "#pad canvas")
    sheet = page.find_element(By.CSS_SELECTOR, "#pad .paper")
    assert canvas.rect["width"] > 0.95 * sheet.rect["width"]
    draw(page, DIGITS[1], 0.7, 0.4, 0.2)
    eventually(page, lambda: texts(page) == ["71"])


def test_strokes_drawn_while_a_photo_loads_are_kept(page, tmp_path):
    file = tmp_path / "seven.png"
    image = Image.new("L", (900, 600), 255)
    with Image.open(io.BytesIO(image_of(7, side=500))) as seven:
        image.paste(seven, (0, 50))
    image.save(file)
    assert read_after(page, lambda: draw(page, DIGITS[0])) == ["0"]
    page.set_network_conditions(latency=2000, throughput=10**7)
    try:
        open_image(page, file)
        draw(page, DIGITS[1], 0.6, 0.25, 0.5)
        assert page.find_element(By.CSS_SELECTOR, "#pad canvas").get_property("width") == 480
        eventually(page, lambda: texts(page) == ["71"])
    finally:
        page.delete_network_conditions()
    assert page.find_element(By.CSS_SELECTOR, "#pad canvas").get_property("width") == 900
    click(page, "undo")  # what was there before it, with the stroke
    eventually(page, lambda: len(texts(page)[0]) == 2 and texts(page)[0][0] == "0")


def test_many_digits_flow_into_columns_as_wide_as_the_page(page, tmp_path):
    image = Image.new("L", (2000, 300), 255)
    for place in range(10):
        with Image.open(io.BytesIO(image_of(place))) as digit:
            image.paste(digit.crop((50, 0, 230, 280)), (200 * place + 10, 10))
    file = tmp_path / "ten.png"
    image.save(file)
    [text] = read_after(page, lambda: open_image(page, file))
    assert len(text) == 10
    columns = page.find_element(By.ID, "columns").rect
    cards = page.find_element(By.CSS_SELECTOR, "#answer .cards").rect
    assert cards["width"] == columns["width"] > 900
    assert cards["height"] < 800
    assert len({one.rect["x"] for one in page.find_elements(By.CSS_SELECTOR, ".card")}) >= 5
