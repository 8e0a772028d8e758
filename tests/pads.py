"""The drawing pad in a browser: opened, drawn on with the mouse, and its answer read."""

import io

import browsers
import numpy as np
import servers
import waiting
from PIL import Image, ImageDraw
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

NOBODY = "no other"  # the choice of no second run
# The ten digits as a person writes them, in parts of the side of a square.
DIGITS = {
    0: [[(0.5, 0), (0.2, 0.2), (0.15, 0.6), (0.4, 1), (0.7, 0.85), (0.8, 0.4), (0.5, 0)]],
    1: [[(0.35, 0.15), (0.55, 0), (0.52, 1)]],
    2: [[(0.15, 0.25), (0.4, 0), (0.75, 0.2), (0.6, 0.6), (0.15, 1), (0.85, 0.95)]],
    3: [[(0.2, 0.1), (0.6, 0), (0.75, 0.25), (0.4, 0.45), (0.8, 0.7), (0.55, 1), (0.15, 0.9)]],
    4: [[(0.35, 0), (0.15, 0.6), (0.8, 0.55)], [(0.65, 0.2), (0.6, 1)]],
    5: [[(0.8, 0), (0.3, 0.03), (0.25, 0.45), (0.6, 0.4), (0.75, 0.7), (0.5, 1), (0.15, 0.9)]],
    6: [[(0.6, 0), (0.25, 0.5), (0.3, 0.95), (0.65, 0.95), (0.7, 0.6), (0.28, 0.65)]],
    7: [[(0.15, 0.05), (0.8, 0), (0.6, 0.4), (0.4, 1)]],
    8: [[(0.7, 0.1), (0.3, 0.1), (0.35, 0.4), (0.75, 0.75), (0.5, 1), (0.25, 0.8), (0.7, 0.1)]],
    9: [[(0.75, 0.15), (0.35, 0.05), (0.3, 0.4), (0.7, 0.35), (0.75, 0.15), (0.65, 1)]],
}


def opened(browser, address):
    browser.get(address)
    eventually(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#pad canvas[width]"))
    return browser


def eventually(browser, holds):
    return waiting.until(holds, what=lambda: browsers.text(browser))


def draw(browser, strokes, left=0.2, top=0.2, side=0.6):
    """Draws strokes with the mouse, in a square of the pad."""
    canvas = browser.find_element(By.CSS_SELECTOR, "#pad canvas")
    width, height = canvas.rect["width"], canvas.rect["height"]
    actions = ActionChains(browser, duration=2)
    for stroke in strokes:
        points = (np.array([left, top]) + np.asarray(stroke) * side - 0.5) * (width, height)
        points = points[:: max(1, len(points) // 20)]
        for i, (x, y) in enumerate(points.round().astype(int).tolist()):
            actions.move_to_element_with_offset(canvas, x, y)
            if i == 0:
                actions.click_and_hold()
        actions.release()
    actions.perform()


def click(browser, tool):
    browser.find_element(By.CSS_SELECTOR, f"[data-tool={tool}]").click()


def texts(browser):
    """Returns the texts that the runs read."""
    script = "return [...document.querySelectorAll('#answer .text strong')].map(e => e.innerText)"
    return browser.execute_script(script)  # at once: another answer may take their place


def serving(folder, *arguments, port=None):
    return servers.serving(folder, "demo", *arguments, port=port)


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


def open_image(browser, file):
    browser.find_element(By.CSS_SELECTOR, "#pad input[type=file]").send_keys(str(file))


def problems(page):
    """Returns the errors that the page shows."""
    found = page.find_elements(By.CSS_SELECTOR, ".problem, .away")
    return [one.text for one in found if one.is_displayed()]


def image_of(digit, side=280):
    """Returns a drawing as a PNG file."""
    image = Image.new("L", (side, side), 255)
    for line in DIGITS[digit]:
        points = [(side * (0.25 + x / 2), side * (0.25 + y / 2)) for x, y in line]
        ImageDraw.Draw(image).line(points, 0, side // 15, joint="curve")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
