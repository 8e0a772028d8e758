"""Runs the whole tutorial in an empty folder, and compares it with the page or writes it anew."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import tutorial
import tutorial_play
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
import browsers
import pads
import servers
import waiting

from mnist_exp.tracking.mlflow import view
from mnist_exp.tracking.mlflow.location import resolve


def afresh(root: Path, *, write: bool) -> Iterator[str]:
    """Runs every command and program.

    Args:
        root: of the repository.
        write: puts what came out into page, pictures and notebook.

    Yields:
        Where what came out is another thing than what the page says.
    """
    page = root / tutorial.PAGE
    parts = tutorial.parts_of(page.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        outcome = tutorial_play.play(parts, folder)
        yield from tutorial_play.drifted(parts, outcome, folder, root)
        if not write:
            return
        text = tutorial_play.rewritten(parts, outcome)
        page.write_text(text, encoding="utf-8")
        for name, picture in outcome.pictures.items():
            _picture(root, name).write_bytes(picture)
        _screens(root, folder)
    write_notebook(root)
    yield from tutorial.faults(root)


def write_notebook(root: Path) -> None:
    """Makes the notebook of the page and its pictures, without running anything."""
    parts = tutorial.parts_of((root / tutorial.PAGE).read_text(encoding="utf-8"))
    nbformat.write(tutorial.filled(parts, root), root / tutorial.NOTEBOOK)


def _picture(root: Path, name: str) -> Path:
    return root / tutorial.PICTURES / f"tutorial-{name}.png"


def _screens(root: Path, folder: Path) -> None:
    """Takes the pictures of the pad and of the MLflow UI, on the runs of the tutorial."""
    with servers.serving(folder, "demo") as (address, _), browsers.chromium(1200, 830) as browser:
        pads.opened(browser, address)
        pads.draw(browser, pads.DIGITS[3])
        pads.eventually(browser, lambda: pads.texts(browser) == ["3"])
        time.sleep(1)  # the bars move to their place
        _keep(browser.get_screenshot_as_png(), root, "pad")
    page = view.runs_page(resolve(f"sqlite:///{folder}/mlflow.db"), "mnist")
    with servers.serving(folder, "ui") as (address, _), browsers.chromium(1500, 720) as browser:
        browser.get(address + page)
        for what in ("Hide banner", "Close"):  # Close: of MLflow's assistant
            _press(browser, what)
        time.sleep(2)  # it draws its table in several steps
        _keep(browser.find_element(By.TAG_NAME, "main").screenshot_as_png, root, "ui")


def _press(browser: Chrome, label: str) -> None:
    found = (By.CSS_SELECTOR, f"button[aria-label='{label}']")
    waiting.until(lambda: browser.find_elements(*found), what=lambda: browsers.text(browser))
    browser.find_element(*found).click()


def _keep(picture: bytes, root: Path, name: str) -> None:
    _picture(root, name).write_bytes(tutorial_play.squeezed(picture))
