"""The drawing pad: the real server on a port of its own, and a real browser that draws on it."""

import base64
import io
import json
import re
import shutil
import time
from itertools import pairwise

import numpy as np
import pytest
from invoke import mnist_exp
from pads import (
    DIGITS,
    NOBODY,
    click,
    draw,
    eventually,
    image_of,
    open_image,
    opened,
    paper,
    press,
    problems,
    read_after,
    said,
    serving,
    texts,
)
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

pytestmark = pytest.mark.xdist_group("demo")  # one trained project


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


def test_what_is_filed_late_is_said_of_the_drawing_that_it_was(page, project):
    note = page.find_element(By.ID, "note")
    read_after(page, lambda: draw(page, DIGITS[3]))
    page.find_element(By.CSS_SELECTOR, "#digit input[value='3']").send_keys(Keys.SPACE)
    page.set_network_conditions(latency=2000, throughput=10**7)
    try:
        page.find_element(By.ID, "file").click()
        draw(page, DIGITS[1], 0.7, 0.2, 0.2)
        eventually(page, lambda: note.text.startswith("An earlier drawing: Filed as 3: "))
    finally:
        page.delete_network_conditions()
    assert page.find_element(By.CSS_SELECTOR, "#digit input[value='3']").is_selected()
    shutil.rmtree(project / "drawings")


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
