"""The drawing pad: the real server on a port of its own, and a real browser that draws on it."""

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import browsers
import environments
import httpx
import numpy as np
import pytest
import servers
from invoke import here, mnist_exp, python
from pads import DIGITS, click, draw, eventually, opened, texts
from PIL import Image, ImageDraw
from projects import SMOKE, copied
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from servers import free_port

from mnist_exp.commands.demo import cards
from mnist_exp.inference import Digit, Reading
from mnist_exp.inference.segmentation import Box

pytestmark = pytest.mark.xdist_group("demo")  # one server, one browser

PEOPLE, DRAWINGS_EACH = 20, 10
NOBODY = "no other"


@pytest.fixture(scope="module")
def written(datasets):
    """Digit -> its strokes: of the first in UNIPEN, where that is to be had."""
    file = datasets / "unipen" / "strokes.npz"
    if not file.is_file():
        return DIGITS
    with np.load(file) as arrays:
        labels, samples, strokes, points = (
            arrays[name] for name in ("labels", "sample_offsets", "stroke_offsets", "points")
        )
    found = {}
    for digit in range(10):
        first = np.flatnonzero(labels == digit)[0]
        ends = strokes[samples[first] : samples[first + 1] + 1]
        parts = [points[start:end] for start, end in pairwise(ends)]
        every = np.concatenate(parts)
        low, size = every.min(axis=0), np.ptp(every, axis=0)
        found[digit] = [(part - low + (size.max() - size) / 2) / size.max() for part in parts]
    return found


def image_of(digit, side=280):
    """Returns a drawing as a PNG file."""
    image = Image.new("L", (side, side), 255)
    for line in DIGITS[digit]:
        points = [(side * (0.25 + x / 2), side * (0.25 + y / 2)) for x, y in line]
        ImageDraw.Draw(image).line(points, 0, side // 15, joint="curve")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def as_url(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def project(fast, tmp_path_factory):
    """A folder with a run that was trained on MNIST for seconds, and a weaker one."""
    folder = copied(fast, tmp_path_factory.mktemp("project"))
    mnist_exp(folder, "train", "data=digits", "model=mlp", *SMOKE, check=True)
    return folder


def serving(folder, *arguments, port=None):
    return servers.serving(folder, "demo", *arguments, port=port)


@pytest.fixture(scope="module")
def server(project):
    """A server that tests share: its address and process; the weaker run may be chosen beside."""
    with serving(project, "best") as (address, process):
        yield address, process


@pytest.fixture(scope="module")
def address(server):
    return server[0]


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium(1200, 950) as browser:
        yield browser


@pytest.fixture
def page(chromium, address):
    """The page, just opened."""
    return opened(chromium, address)


def said(browser):
    """Returns what stands above the bars."""
    script = "return document.querySelector('#answer .texts')?.innerText ?? ''"
    return " ".join(browser.execute_script(script).split())


def read_after(browser, act):
    """Does something that is answered with digits, and returns the answer to the last of it."""
    click(browser, "clear")
    eventually(browser, lambda: said(browser).startswith("Draw a digit"))
    act()
    waits = "return document.querySelector('.waits') !== null"  # for what was drawn or opened last
    eventually(browser, lambda: texts(browser) and not browser.execute_script(waits))
    return texts(browser)


def test_ten_digits_of_real_strokes_are_read(page, written):
    read = {d: read_after(page, lambda d=d: draw(page, written[d]))[0] for d in range(10)}
    assert sum(text == str(digit) for digit, text in read.items()) >= 8, read
    rows = page.find_elements(By.CSS_SELECTOR, "#answer .bars li")
    assert [row.text.split()[0] for row in rows] == list("0123456789")
    shares = [float(row.text.split()[1].rstrip("%")) for row in rows]
    assert sum(shares) == pytest.approx(100, abs=1)
    seen = page.find_element(By.CSS_SELECTOR, "#answer .seen img")
    assert seen.get_property("naturalWidth") == 28
    assert seen.value_of_css_property("image-rendering") == "pixelated"


def test_several_digits_are_read_together_and_the_last_stroke_is_undone(page):
    def three():
        for i, digit in enumerate((7, 0, 1)):
            draw(page, DIGITS[digit], 0.06 + 0.32 * i, 0.35, 0.24)

    [text] = read_after(page, three)
    assert len(text) == 3
    assert len(page.find_elements(By.CSS_SELECTOR, "#answer .card")) == 3
    click(page, "undo")
    eventually(page, lambda: texts(page) == [text[:2]])


def paper(browser):
    """Returns what is on the paper."""
    return browser.execute_script("return document.querySelector('#pad canvas').toDataURL()")


def press(browser, key, *held):
    actions = ActionChains(browser)
    for one in held:
        actions.key_down(one)
    actions.send_keys(key)
    for one in held:
        actions.key_up(one)
    actions.perform()


def test_clear_and_what_was_opened_are_undone_and_done_again(page, tmp_path):
    blank = paper(page)
    assert read_after(page, lambda: draw(page, DIGITS[7])) == ["7"]
    drawn = paper(page)
    click(page, "clear")
    assert paper(page) == blank
    click(page, "undo")
    assert paper(page) == drawn
    eventually(page, lambda: texts(page) == ["7"])
    file = tmp_path / "zero.png"
    file.write_bytes(image_of(0))
    open_image(page, file)
    eventually(page, lambda: texts(page) == ["0"])
    read = paper(page)
    for key, held, expected in (
        ("z", [Keys.CONTROL], drawn),
        ("z", [Keys.CONTROL], blank),  # as Clear had left it
        ("y", [Keys.CONTROL], drawn),
        ("z", [Keys.CONTROL, Keys.SHIFT], read),
        ("y", [Keys.CONTROL], read),  # there is no more
        ("z", [Keys.CONTROL], drawn),
    ):
        press(page, key, *held)
        assert paper(page) == expected, (key, held)
    eventually(page, lambda: texts(page) == ["7"])


def test_a_click_draws_a_dot(page):
    page.find_element(By.CSS_SELECTOR, "#pad canvas").click()
    eventually(page, lambda: not said(page).startswith("Draw a digit"))
    image = Image.open(io.BytesIO(base64.b64decode(paper(page).partition(",")[2]))).convert("L")
    ink = np.argwhere(np.asarray(image) < 128)
    assert np.abs(ink.mean(axis=0) - 240).max() < 3
    assert np.ptp(ink, axis=0).tolist() == pytest.approx([22, 22], abs=2)


def open_image(browser, file):
    browser.find_element(By.CSS_SELECTOR, "#pad input[type=file]").send_keys(str(file))


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
    from mnist_exp.commands.demo import pad

    drawing = io.BytesIO()
    Image.new("L", (480, 480)).save(drawing, "PNG")
    start, header, rest = (drawing.getvalue()[part] for part in
                           (slice(8), slice(8, 33), slice(33, None)))  # fmt: skip
    photo = io.BytesIO()
    Image.new("L", (2000, 1500)).save(photo, "PNG")
    assert pad._is_small(start + header + rest)
    assert not pad._is_small(photo.getvalue())
    assert not pad._is_small(start + header + photo.getvalue()[8:])  # two headers
    assert not pad._is_small(b"no image")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
BAD = {
    "text.png": (b"This is text.", "Expected a PNG, JPEG, WebP or BMP image. Received: a text."),
    "half.png": (image_of(3, side=900)[:-900], "Expected a whole image file."),
    "bomb.png": (bomb(), "Expected at most 50,000,000 pixels."),
    "<b>.png": (b"", "Expected an image. Received: an empty file."),
    "large.png": (bytes(17 * 2**20), "Expected at most 16 MiB. Received: 17 MiB. Make the"),
    "IMG_1.HEIC": (HEIC, "Received: a HEIC photo, as phones take them. Send or save it as JPEG."),
}


def problems(page):
    """Returns the errors that the page shows."""
    found = page.find_elements(By.CSS_SELECTOR, ".problem, .away")
    return [one.text for one in found if one.is_displayed()]


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


def test_a_server_that_is_away_makes_the_answer_an_old_one(project, chromium):
    def opacity():
        return float(
            page.find_element(By.CSS_SELECTOR, "#answer .cards").value_of_css_property("opacity")
        )

    with serving(project, "best") as (address, _):
        page = opened(chromium, address)
        assert read_after(page, lambda: draw(page, DIGITS[7], 0.1, 0.35, 0.24)) == ["7"]
        assert opacity() == 1
    draw(page, DIGITS[0], 0.4, 0.35, 0.24)
    [problem] = eventually(page, lambda: problems(page))
    assert "What stands below is its answer to an earlier drawing." in problem
    assert texts(page) == ["7"]
    eventually(page, lambda: opacity() < 0.5)
    drawn = paper(page)
    page.find_element(By.ID, "file").click()
    eventually(page, lambda: "Not filed" in page.find_element(By.ID, "note").text)
    with serving(project, "best", port=int(address.rpartition(":")[2])):
        eventually(page, lambda: texts(page) == ["70"])
        eventually(page, lambda: opacity() == 1)
        assert problems(page) == []
        assert paper(page) == drawn
        time.sleep(3)  # Gradio would ask every two seconds, and load the page anew
        assert paper(page) == drawn


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


def test_a_second_run_reads_the_same_drawing(page):
    assert len(read_after(page, lambda: draw(page, DIGITS[0]))) == 1
    chooser = Select(page.find_element(By.CSS_SELECTOR, "#beside select"))
    first, second = (option.text for option in chooser.options)
    assert first == NOBODY
    chooser.select_by_visible_text(second)
    eventually(page, lambda: len(texts(page)) == 2)
    assert f"{second} reads" in said(page)
    titles = page.find_elements(By.CSS_SELECTOR, "#answer .bars .run")
    assert titles[1].text == second


def test_a_drawing_is_filed_by_keyboard_and_a_run_is_measured_on_it(page, project):
    shutil.rmtree(project / "drawings", ignore_errors=True)
    note = page.find_element(By.ID, "note")
    page.find_element(By.ID, "file").send_keys(Keys.ENTER)
    eventually(page, lambda: "Nothing is drawn yet." in note.text)
    read_after(page, lambda: draw(page, DIGITS[7]))
    page.find_element(By.ID, "file").send_keys(Keys.ENTER)
    eventually(page, lambda: "Choose what it is first" in note.text)
    assert not (project / "drawings").exists()
    page.find_element(By.CSS_SELECTOR, "#digit input[value='7']").send_keys(Keys.SPACE)
    page.find_element(By.ID, "file").send_keys(Keys.ENTER)
    eventually(page, lambda: "Filed as 7" in note.text)
    page.find_element(By.ID, "file").send_keys(Keys.ENTER)  # for the next, it is chosen anew
    eventually(page, lambda: "Choose what it is first" in note.text)
    page.find_element(By.CSS_SELECTOR, "#digit input[value='7']").send_keys(Keys.SPACE)
    page.find_element(By.ID, "file").send_keys(Keys.ENTER)
    eventually(page, lambda: "filed as 7 already" in note.text)
    [file] = (project / "drawings").glob("*/*.png")
    assert file.parent.name == "7"
    with Image.open(file) as image:
        assert image.size == (480, 480)
    done = mnist_exp(project, "evaluate", "best", "--data", "drawings", check=True)
    assert "100.00%" in done.stdout


def test_everything_but_the_paper_is_reached_by_the_tab_key(page):
    page.find_element(By.TAG_NAME, "body").click()
    reached = []
    for _ in range(20):
        ActionChains(page).send_keys(Keys.TAB).perform()
        focused = page.switch_to.active_element
        reached.append(
            focused.get_attribute("data-tool") or focused.get_attribute("value") or focused.text
        )
    wanted = ["clear", "undo", "open", "0", "File this drawing", NOBODY]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted


def test_the_digits_are_one_group_with_a_name(page):
    group = page.find_element(By.ID, "digit")
    assert (group.aria_role, group.accessible_name) == ("radiogroup", "What did you draw?")
    radios = group.find_elements(By.CSS_SELECTOR, "input[type=radio]")
    assert [one.accessible_name for one in radios] == list("0123456789")
    radios[0].send_keys(Keys.SPACE)
    press(page, Keys.ARROW_LEFT)  # within a group, arrows choose
    assert page.switch_to.active_element.get_attribute("value") == "9"
    assert [one.is_selected() for one in radios] == [False] * 9 + [True]


def test_every_request_goes_to_this_machine(page, address):
    for log in ("performance", "browser"):
        page.get_log(log)  # of what was before
    opened(page, address)
    read_after(page, lambda: draw(page, DIGITS[7]))
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.fixture
def phone(page):
    size = {"width": 375, "height": 812, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield page
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_fits_a_phone(phone):
    assert read_after(phone, lambda: draw(phone, DIGITS[7])) == ["7"]
    assert phone.execute_script("return document.documentElement.scrollWidth") == 375
    pad = phone.find_element(By.CSS_SELECTOR, "#pad canvas").rect
    assert 280 < pad["width"] < 375
    answer = phone.find_element(By.CSS_SELECTOR, "#answer .text strong").rect
    assert answer["y"] + answer["height"] < 812, "the answer is seen without scrolling"
    for tool in phone.find_elements(By.CSS_SELECTOR, "[data-tool], #file, #digit label"):
        assert tool.rect["height"] >= 40


@pytest.mark.parametrize("by", ["query", "preference"])
def test_it_has_a_dark_mode(page, address, by):
    wanted = {"name": "prefers-color-scheme", "value": "dark" if by == "preference" else "light"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wanted]})
    opened(page, f"{address}/?__theme=dark" if by == "query" else address)
    read_after(page, lambda: draw(page, DIGITS[7]))
    with Image.open(io.BytesIO(page.get_screenshot_as_png())) as image:
        shown = np.asarray(image.convert("L"))
    assert np.median(shown) < 60
    assert shown[0, 0] < 60
    text = page.find_element(By.CSS_SELECTOR, "#answer .text strong")
    color = text.value_of_css_property("color")
    assert min(int(value) for value in re.findall(r"\d+", color)[:3]) > 200, color
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def ask(client, address, value, beside=NOBODY):
    reply = client.post(f"{address}/gradio_api/run/read", json={"data": [value, beside]})
    reply.raise_for_status()
    [answer] = reply.json()["data"]
    return answer.get("texts", "") + answer.get("problem", "")


def test_twenty_people_draw_at_once(address):
    urls = [as_url(image_of(digit)) for digit in range(DRAWINGS_EACH)]
    with httpx.Client(timeout=60) as client:
        expected = [ask(client, address, url) for url in urls]
        with ThreadPoolExecutor(PEOPLE) as people:
            answers = list(
                people.map(lambda _: [ask(client, address, u) for u in urls], range(PEOPLE))
            )
    assert answers == [expected] * PEOPLE


def test_what_is_unsure_is_said_in_words_and_names_are_only_text():
    def digit(first, second, sure):
        shares = np.zeros(10, np.float32)
        shares[first], shares[second] = 0.51, 0.44
        return Digit(Box(0, 0, 9, 9), np.zeros((28, 28), np.uint8), shares, sure)

    nearly = np.eye(10, dtype=np.float32)[1] * 0.9998 + 1e-5
    assert Digit(Box(0, 0, 9, 9), np.zeros((28, 28), np.uint8), nearly, sure=False).likely == (
        "1 (over 99.9%)"
    )
    alone = "".join(cards.cards([cards.Answer("<b>", Reading((digit(4, 9, sure=False),)))]))
    assert "<strong>?</strong>" in alone
    assert "Unsure: 4 (51.0%) or 9 (44.0%)" in alone
    assert "&lt;b&gt; reads" in alone
    assert "<b>" not in alone.split("<ol>")[0]
    pair = (digit(4, 9, sure=False), digit(1, 7, sure=True))
    together, _ = cards.cards([cards.Answer("run", Reading(pair))])
    assert "<strong>?1</strong>" in together
    assert "Unsure of 1, shown as ?" in together
    _, many = cards.cards([cards.Answer("run", Reading(pair * 50))])
    assert many.count("<figure") == cards.MOST_CARDS
    assert "and 80 more digits" in many


def test_what_a_page_would_not_ask_is_refused(address):
    port = int(address.rpartition(":")[2])
    with httpx.Client(timeout=60) as client:
        for value in (7, ["a"], "data:,x", "data:image/png;base64,§", "x" * 1000):
            assert "Expected" in ask(client, address, value)
        for nobody in (7, ["a"], None, "<b>"):
            assert "<strong>3</strong>" in ask(client, address, as_url(image_of(3)), nobody)
        read = f"{address}/gradio_api/run/read"
        assert client.post(read, content=bytes(25 * 2**20)).status_code == 413
        assert client.post(read, content=iter([b"{}"])).status_code == 411
        assert client.get(address, headers={"Host": f"elsewhere.example:{port}"}).status_code == 400
        upload = client.post(f"{address}/gradio_api/upload", files={"files": b"stored"})
        assert upload.status_code == 404
        event = {"fn_index": 0, "data": [as_url(image_of(3)), NOBODY], "session_hash": "anybody"}
        assert client.post(f"{address}/gradio_api/queue/join", json=event).status_code == 404
        link = client.get(f"{address}/gradio_api/deep_link", params={"session_hash": "anybody"})
        assert link.status_code == 404
        store = client.get(f"{address}/gradio_api/file=mlflow.db")
        assert store.status_code in (403, 404)
        assert "Nothing drawn" not in ask(client, address, as_url(image_of(3)))


def memory_bytes(process):
    return 1024 * int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(process.pid)]))


def test_photos_take_bounded_memory_however_many_come(server):
    address, process = server
    buffer = io.BytesIO()
    image = Image.new("RGB", (7000, 7000), "white")
    with Image.open(io.BytesIO(image_of(3, side=5000))) as drawing:
        image.paste(drawing, (1000, 1000))
    image.save(buffer, "PNG", compress_level=1)
    url = as_url(buffer.getvalue()).replace("image/png", "application/octet-stream")
    before_bytes = peak_bytes = memory_bytes(process)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as people:
        asked = [people.submit(ask, client, address, url) for _ in range(8)]
        while not all(one.done() for one in asked):
            peak_bytes = max(peak_bytes, memory_bytes(process))
    assert all("<strong>3</strong>" in one.result() for one in asked)
    assert peak_bytes - before_bytes < 900e6, "each takes half of it, eight together twice"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "Stopped by Ctrl-C.\n"), (signal.SIGTERM, 143, "Stopped by SIGTERM.\n")],
)
def test_it_ends_quietly_while_a_page_is_open(project, chromium, number, code, message):
    with serving(project) as (address, process):
        opened(chromium, address)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, message)
    assert out.splitlines()[1].strip() == address


def test_a_run_beside_is_named_on_the_command_line(project):
    wrong = mnist_exp(project, "demo", "--beside", "nobody")
    assert wrong.returncode == 2
    assert "Received: 'nobody'." in wrong.stderr
    with serving(project, "best", "--beside", "latest") as (address, _):
        config = httpx.get(f"{address}/config").json()
    [pad] = [
        part["props"]
        for part in config["components"]
        if "js_on_load" in part["props"] and part["props"].get("elem_id") == "pad"
    ]
    assert pad["props"]["beside"] == pad["props"]["runs"][1] != NOBODY


def test_other_machines_are_let_in_only_when_asked_and_that_is_told(project):
    with serving(project, "--host", "0.0.0.0") as (_, process):
        process.terminate()
        assert "Anybody who reaches 0.0.0.0 over the network" in process.communicate()[1]


def test_a_taken_port_costs_one_message(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mnist_exp(project, "demo", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"Expected an address to listen on. Received: 127.0.0.1:{port}, Address already in use. "
        "Another program uses it; name another port with `mnist-exp demo --port`.\n"
    )


def test_without_a_run_it_says_how_to_make_one():
    done = here("demo", "--port", str(free_port()))
    assert done.returncode == 2
    assert done.stderr.endswith("Make one with `mnist-exp train`.\n")
    assert Path.cwd().exists()


def test_without_the_extra_it_says_how_to_get_it():
    done = python(
        "import sys; sys.modules['gradio'] = None\n"
        "from mnist_exp.cli import execute\nsys.exit(execute(['demo']))"
    )
    assert done.returncode == 2
    assert done.stderr.endswith("Add it with `pip install 'mnist-exp[demo]'`.\n")


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["runs"]])
def test_other_commands_do_not_import_gradio(arguments):
    done = python(
        f"import sys\nfrom mnist_exp.cli import execute\nexecute({arguments})\n"
        "sys.exit('gradio' in sys.modules or 'fastapi' in sys.modules)",
        fresh=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "installed",
    [
        False,
        pytest.param(True, marks=pytest.mark.long("an exported Space where pip installed it")),
    ],
)
def test_an_exported_space_draws_in_an_empty_environment(installed, project, chromium, tmp_path):
    space, venv = tmp_path / "space", tmp_path / "venv"
    mnist_exp(project, "export", "best", "--format", "space", "--out", str(space), check=True)
    header = (space / "README.md").read_text().split("---")[1]
    assert "sdk: gradio\n" in header
    assert 'python_version: "{}.{}"\n'.format(*sys.version_info) in header
    assert "app_file: app.py\n" in header
    python = environments.empty(venv, with_dependencies=not installed)
    if installed:
        install = [python, "-m", "pip", "install", "--quiet", "-r", space / "requirements.txt"]
        subprocess.run([*install, "--disable-pip-version-check"], check=True, capture_output=True)
    absent = [python, "-c", "import mnist_exp.cli"]
    assert subprocess.run(absent, cwd=tmp_path, capture_output=True, check=False).returncode
    port = free_port()
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": "",
    }
    with subprocess.Popen(
        [python, "app.py"],
        cwd=space,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            servers.page(f"http://127.0.0.1:{port}", process)
            opened(chromium, f"http://127.0.0.1:{port}")
            assert read_after(chromium, lambda: draw(chromium, DIGITS[7])) == ["7"]
        finally:
            process.terminate()
            process.wait(20)
