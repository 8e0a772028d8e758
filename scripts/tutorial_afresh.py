"""Runs the whole tutorial in an empty folder, and compares it with the page or writes it anew."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import tutorial

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
import browsers
import pads
import servers
import waiting


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
        outcome = tutorial.play(parts, folder)
        yield from tutorial.drifted(parts, outcome, folder, root)
        if not write:
            return
        text = tutorial.rewritten(parts, outcome)
        page.write_text(text, encoding="utf-8")
        notebook, runs = tutorial.notebook_of(tutorial.parts_of(text))
        for cell in runs:
            notebook.cells[cell].outputs = outcome.notebook.cells[cell].outputs
        nbformat.write(notebook, root / tutorial.NOTEBOOK)
        for name, picture in outcome.pictures.items():
            _picture(root, name).write_bytes(picture)
        _screens(root, folder)
    yield from tutorial.faults(root)


def _picture(root: Path, name: str) -> Path:
    return root / tutorial.PICTURES / f"tutorial-{name}.png"


def _screens(root: Path, folder: Path) -> None:
    """Takes the pictures of the pad and of the MLflow UI, on the runs of the tutorial."""
    with servers.serving(folder, "demo") as (address, _), browsers.chromium(1200, 1000) as browser:
        pads.opened(browser, address)
        pads.draw(browser, pads.DIGITS[3])
        pads.eventually(browser, lambda: pads.texts(browser) == ["3"])
        time.sleep(1)  # the bars move to their place
        _keep(browser, _picture(root, "pad"))
    with servers.serving(folder, "ui") as (address, _), browsers.chromium(1500, 900) as browser:
        browser.get(f"{address}/#/experiments/1/runs")
        waiting.until(lambda: "seed_mlp" in browsers.text(browser))
        time.sleep(2)  # it draws its table in several steps
        _keep(browser, _picture(root, "ui"))


def _keep(browser: browsers.Chrome, file: Path) -> None:
    file.write_bytes(tutorial.squeezed(browser.get_screenshot_as_png()))
