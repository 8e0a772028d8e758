"""What one draws on, and all that is around it: `pad.html`, which `pad.js` brings to life.

It sends a data URL: of the drawing after each stroke, or of an image file that was opened, dropped
or pasted. Gradio's own editor sends several files for each stroke, and its tools hide the paper on
a phone; its events end with the first that is not answered.
"""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from mnist_exp.commands.demo.data_urls import MOST_FILE_BYTES


def pad(runs: Sequence[str], beside: str, *, files: bool) -> gr.HTML:
    """Returns the component.

    Args:
        runs: the names of those that may read beside the first; the first of them is nobody's.
        beside: which of them does at first.
        files: whether drawings can be filed.
    """
    return gr.HTML(
        "",
        html_template=_text("pad.html"),
        js_on_load=_text("pad.js"),
        apply_default_css=False,
        elem_id="pad",
        most_bytes=MOST_FILE_BYTES,
        runs=list(runs),
        beside=beside,
        files=files,
    )


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
