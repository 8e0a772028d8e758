"""The page: a heading and the pad, and the server's answers to the two questions that the pad asks.

It is given what reads; where models come from is told by others. Every answer is one short
request, without Gradio's queue, which would add a second one and a wait.
"""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from mnist_exp.commands.demo import cards
from mnist_exp.commands.demo.data_urls import data_url, is_drawing, picture_of
from mnist_exp.commands.demo.pad import pad
from mnist_exp.commands.demo.reader import Reader, Readers
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.inference.drawings import file_drawing

TITLE = "Draw a digit"
NOTHING_DRAWN = "Nothing is drawn yet."
GONE = "The run beside is not offered any more. Load the page anew."
DIGITS = [str(digit) for digit in range(10)]
# Fonts of the machine: nothing is asked from outside.
_FONTS = ["system-ui", "sans-serif"]
_MONOSPACE = ["ui-monospace", "monospace"]


def look() -> dict[str, Any]:
    """Returns the theme and the style, as `gr.mount_gradio_app` and `Blocks.launch` take them."""
    theme = gr.themes.Default(
        primary_hue="indigo", neutral_hue="slate", font=_FONTS, font_mono=_MONOSPACE
    )
    return {"theme": theme, "css_paths": [Path(__file__).with_name("page.css")]}


def page(
    reader: Reader,
    others: Readers | None = None,
    *,
    beside: str = cards.NOBODY,
    drawings: Path | None = None,
) -> gr.Blocks:
    """Lays the page out.

    Args:
        reader: what answers.
        others: what may answer beside it.
        beside: which of them does at first.
        drawings: the folder that drawings are filed in; None: they cannot be.
    """
    others = others or {}
    with _Page(title=TITLE, analytics_enabled=False) as blocks:
        heading = f"<h1>{TITLE}</h1><p>{_read_by(reader)}</p>"
        gr.HTML(heading, elem_id="heading")
        pad([cards.NOBODY, *others], beside, files=drawings is not None)
        gr.api(_reading(reader, others), api_name="read", queue=False)
        if drawings is not None:
            file = _filing_into(drawings)
            gr.api(file, api_name="file", queue=False, api_visibility="private")
    return blocks


class _Page(gr.Blocks):  # type: ignore[misc]
    """A page that does not print what was sent where that is too little."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Refuses it, as Gradio does."""
        if len(inputs) < len(block_fn.inputs):
            raise gr.Error("Expected a value for each argument.", print_exception=False)


def _read_by(reader: Reader) -> str:
    """Returns HTML."""
    comma = ", " if reader.caption else ""
    return f"Read by <b>{html.escape(reader.name)}</b>{comma}{html.escape(reader.caption)}"


def _reading(reader: Reader, others: Readers) -> Callable[[Any, Any], dict[str, str]]:
    def read(value: Any, beside: Any) -> dict[str, str]:
        """Reads a picture.

        Args:
            value: a data URL: of a drawing as a PNG file, or of an image file.
            beside: the name of a run that reads it, too.

        Returns:
            HTML: `texts` and `cards`; else the `problem`, in words. `by` is what the heading is to
            say: the server may have another run than when the page was loaded. Of an image file,
            `image` is what the pad is to show, unless it cannot be decoded.
        """
        answer = {"by": _read_by(reader)}
        try:
            grey = picture_of(value)
            if grey is None:
                return answer | {"problem": NOTHING_DRAWN}
            if not is_drawing(value):
                answer["image"] = data_url(grey)
            readers = [reader]
            if isinstance(beside, str) and beside in others:
                readers.append(others[beside]())
            elif beside != cards.NOBODY:
                return answer | {"problem": GONE}
            answers = [cards.Answer(each.name, each.recognizer.read(grey)) for each in readers]
            return answer | cards.cards(answers)._asdict()
        except (RequestError, ExperimentError) as problem:
            return answer | {"problem": str(problem)}

    return read


def _filing_into(folder: Path) -> Callable[[Any, Any], dict[str, Any]]:
    def file(value: Any, digit: Any) -> dict[str, Any]:
        """Files a drawing; returns what was `said`, and whether it was `done`."""
        done = False
        try:
            grey = picture_of(value)
            said = _filed(grey, digit, folder)
            done = grey is not None and digit in DIGITS
        except (RequestError, ExperimentError) as problem:
            said = str(problem)
        return {"said": said, "done": done}

    return file


def _filed(grey: NDArray[np.float32] | None, digit: Any, folder: Path) -> str:
    if grey is None:
        return NOTHING_DRAWN
    if digit not in DIGITS:
        return "Choose what it is first, 0 to 9."
    filed = file_drawing(grey, int(digit), folder)
    if filed.is_new:
        return f"Filed as {digit}: {filed.path}. Drawings so far: {filed.total:,}."
    if filed.earlier is not None:
        return f"It was filed as {filed.earlier}; now it is a {digit}: {filed.path}."
    return f"It was filed as {digit} already: {filed.path}."
