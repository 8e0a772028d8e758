"""The tutorial played: each cell of its notebook is run, and what comes out compared or kept."""

import base64
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_output
from PIL import Image
from tutorial import PAGE, PICTURES, SCREENS, Part, notebook_of, said
from tutorial_answers import differences, fitted

_TIMEOUT_SECONDS = 900
_COLOURS = 128  # of a picture
Shell = Callable[[str], str]  # a command -> what it prints


@dataclass
class Outcome:
    """What came of playing the tutorial."""

    answers: dict[int, str] = field(default_factory=dict)  # part -> what it printed
    seconds: dict[int, float] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)  # by name


def play(parts: list[Part], folder: Path, shell: Shell | None = None) -> Outcome:
    """Runs every cell of the notebook, one after the other.

    Args:
        parts: of the page.
        folder: to work in, which should be empty.
        shell: runs commands in the kernel's place.

    Returns:
        What came of it; of a program that failed, its error.
    """
    notebook, runs = notebook_of(parts)
    outcome = Outcome()
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=_TIMEOUT_SECONDS, kernel_name="python3", resources=place
    )
    client.allow_errors, client.record_timing = True, False
    with client.setup_kernel(env=_environment(), stderr=subprocess.DEVNULL):
        for number, cell in enumerate(notebook.cells):
            part = parts[runs[number]] if number in runs else None
            began = time.monotonic()
            if part and part.kind == "console" and shell:
                cell.outputs = [new_output("stream", name="stdout", text=shell(part.code))]
            elif cell.cell_type == "code":
                client.execute_cell(cell, number)
            if part:
                outcome.seconds[runs[number]] = time.monotonic() - began
                outcome.answers[runs[number]] = _printed(cell)
                for picture in _pictures_in(cell):
                    outcome.pictures[part.code] = squeezed(picture)
    return outcome


def _printed(cell: nbformat.NotebookNode) -> str:
    """Returns what a cell printed, and its error if it has one."""
    text = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    errors = [output for output in cell.outputs if output.output_type == "error"]
    text += "".join(f"{error.ename}: {error.evalue}\n" for error in errors)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _pictures_in(cell: nbformat.NotebookNode) -> list[bytes]:
    shown = (output.get("data", {}) for output in cell.outputs)
    return [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


def _environment() -> dict[str, str]:
    """Returns this one, where `mnist-exp` is that of this Python and no other store is named."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def squeezed(picture: bytes) -> bytes:
    """Returns a picture as a PNG file of few colours, which takes a third of the bytes."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def drifted(parts: list[Part], outcome: Outcome, folder: Path, root: Path) -> Iterator[str]:
    """Compares what came out with what the page says, and finds what is another thing."""
    for index, answer in said(parts):
        for problem in differences(answer, outcome.answers[index]):
            yield f"{PAGE}, {parts[index].code.strip()}\n{problem}"
    for part in parts:
        if part.kind == "picture" and part.code not in SCREENS:
            made, kept = folder / f"{part.code}.png", root / PICTURES / f"tutorial-{part.code}.png"
            if not made.is_file():
                yield f"{PAGE}: no step left {made.name}"
            elif kept.is_file() and _size(made) != _size(kept):
                yield f"{PAGE}: {made.name} has another size than {kept.name}"


def _size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def rewritten(parts: list[Part], outcome: Outcome) -> str:
    """Returns the page with what came out, as far as it has the form of what was said.

    Where it has not, the whole of it stands there, to be shortened again by hand.
    """
    new = list(parts)
    for index, answer in said(parts):
        printed = outcome.answers[index]
        lines = fitted(answer, printed)
        shown = printed if lines is None else "".join(f"{line}\n" for line in lines)
        if parts[index].kind == "console":
            text = f"```console\n$ {parts[index].code}\n{shown}```"
            new[index] = replace(parts[index], text=text, answer=shown)
        elif answer:
            place = next(i for i in range(index, len(new)) if new[i].kind == "text")
            new[place] = Part("text", f"```text\n{shown}```", shown, shown)
    last = 0
    for index, part in enumerate(parts):
        last = index if index in outcome.seconds and part.kind != "picture" else last
        if part.kind == "seconds":
            new[index] = replace(part, text=f"Took {outcome.seconds[last]:.0f} s.")
    return "".join(part.text for part in new)
