"""The page: a pad, the answer, a second model beside the first, and filing a drawing.

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
from mnist_exp.commands.demo.pad import data_url, is_drawing, pad, picture_of
from mnist_exp.commands.demo.reader import Reader, Readers
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.inference.drawings import file_drawing

TITLE = "Draw a digit"
NOBODY = "no other"
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
    beside: str = NOBODY,
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
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(_heading(reader), elem_id="heading")
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=300):
                paper = pad()
            with gr.Column(min_width=300):
                answer = gr.HTML(cards.invitation(), apply_default_css=False, elem_id="answer")
                with gr.Column(visible=drawings is not None, elem_id="filing"):
                    digit = gr.Radio(DIGITS, label="What did you draw?", elem_id="digit")
                    file = gr.Button("File this drawing", elem_id="file")
                    note = gr.HTML("", apply_default_css=False, elem_id="note")
                second = gr.Dropdown(
                    [NOBODY, *others],
                    value=beside,
                    label="A second run that reads the same drawing",
                    visible=bool(others),
                    elem_id="beside",
                )
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
        read: list[Any] = [_reading(reader, others), [paper, second], [answer, paper, note]]
        paper.input(*read, api_name="read", trigger_mode="always_last", **quick)
        second.change(*read, api_visibility="private", **quick)
        if drawings is not None:
            into = _filing_into(drawings)
            file.click(into, [paper, digit], [note, digit], api_visibility="private", **quick)
    return blocks


def _heading(reader: Reader) -> str:
    return (
        f"<h1>{TITLE}</h1><p>Read by <b>{html.escape(reader.name)}</b>"
        f"{', ' if reader.caption else ''}{html.escape(reader.caption)}</p>"
    )


def _reading(reader: Reader, others: Readers) -> Callable[..., tuple[str, Any, str]]:
    def read(value: Any, beside: str) -> tuple[str, Any, str]:
        """Returns the answer as HTML, what the pad is to show, and no note on filing."""
        try:
            grey = picture_of(value)
            if grey is None:
                return cards.invitation(), gr.skip(), ""
            readers = [reader, others[beside]()] if beside in others else [reader]
            answer = cards.cards(
                [cards.Answer(each.name, each.recognizer.read(grey)) for each in readers]
            )
        except (RequestError, ExperimentError) as problem:
            # A drawing stays on the pad: it is not to blame where the second run has no model.
            return cards.problem(str(problem)), gr.skip() if is_drawing(value) else "", ""
        return answer, gr.skip() if is_drawing(value) else data_url(grey), ""

    return read


def _filing_into(folder: Path) -> Callable[[Any, Any], tuple[str, Any]]:
    def file(value: Any, digit: Any) -> tuple[str, Any]:
        """Files a drawing; returns what became of it, and no digit chosen for the next."""
        chosen: Any = gr.skip()
        try:
            grey = picture_of(value)
            said = _filed(grey, digit, folder)
            if grey is not None and digit in DIGITS:
                chosen = None
        except (RequestError, ExperimentError) as problem:
            said = str(problem)
        return f"<p role='status'>{html.escape(said)}</p>", chosen

    return file


def _filed(grey: NDArray[np.float32] | None, digit: Any, folder: Path) -> str:
    if grey is None:
        return "Nothing is drawn yet."
    if digit not in DIGITS:
        return "Choose what it is first, 0 to 9."
    filed = file_drawing(grey, int(digit), folder)
    if filed.is_new:
        return f"Filed as {digit}: {filed.path}. Drawings so far: {filed.total:,}."
    if filed.earlier is not None:
        return f"It was filed as {filed.earlier}; now it is a {digit}: {filed.path}."
    return f"It was filed as {digit} already: {filed.path}."
