"""A real browser for the tests that look at pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def chromium(width: int, height: int) -> Iterator[Chrome]:
    """Starts Chromium without a window and without a network; it logs what it asks for.

    Args:
        width: of the page, in pixels.
        height: of the page with the browser's own bars.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.fail("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with Chrome(options=options, service=ChromeService(driver)) as browser:
        yield browser


def text(browser: Chrome) -> str:
    """Returns the text of the page that it shows."""
    return browser.execute_script("return document.body.innerText")
