"""The tutorial: docs/tutorial.md, whose commands are run, and the notebook that is made of it.

The page is the source. A block of `console` has one command and its answer, in which a line of
"..." stands for lines that were left out; a block of `python` is followed by one of `text` where it
prints something. A picture `tutorial-NAME.png` is the file NAME.png that a step before it left, or
one of `tutorial_screens`. A line "Took N s." tells of the block before it.
"""

import base64
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from tutorial_answers import differences, fitted, stray_figures

PAGE = "docs/tutorial.md"
NOTEBOOK = "docs/tutorial.ipynb"
PICTURES = "docs/images"
SCREENS = ("pad", "ui")  # pictures of pages, which no step leaves
_TIMEOUT_SECONDS = 900
_PART = re.compile(
    r"^```(?P<kind>console|python|text)\n(?P<code>.*?)^```$"
    r"|^!\[[^\]\n]*\]\(images/tutorial-(?P<picture>[\w-]+)\.png\)$"
    r"|^Took (?P<seconds>\d+) s\.$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"\$ ((?:.*\\\n)*.*)\n")
_PREAMBLE = """\
This is [the tutorial](tutorial.md) as a notebook: start Jupyter where `mnist-exp` is installed, in an empty folder, and
run one cell after the other. A line that begins with `!` is a command as you would type it into a terminal, without the
`!`. The first cell only has commands print plain lines here."""
_PLAIN = "%env FORCE_COLOR=\n%env COLUMNS=100"
_SHOW = 'import IPython\n\nIPython.display.Image("{}.png")'
Shell = Callable[[str], str]  # a command -> what it prints


@dataclass(frozen=True)
class Part:
    """A piece of the page."""

    kind: str  # prose, console, python, text, picture or seconds
    text: str  # as it stands on the page
    code: str = ""  # the command, the program, or the name of the picture
    answer: str = ""  # what the page says that comes out


@dataclass
class Outcome:
    """What came of playing the tutorial."""

    notebook: nbformat.NotebookNode
    answers: dict[int, str] = field(default_factory=dict)  # part -> what it printed
    seconds: dict[int, float] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)


def parts_of(page: str) -> list[Part]:
    """Divides the page, of which the texts of all parts are the whole again."""
    parts, end = [], 0
    for found in _PART.finditer(page):
        parts.append(Part("prose", page[end : found.start()]))
        parts.append(_part(found))
        end = found.end()
    return [*parts, Part("prose", page[end:])]


def _part(found: re.Match[str]) -> Part:
    text, kind, code = found[0], found["kind"], found["code"]
    if found["picture"]:
        return Part("picture", text, found["picture"])
    if found["seconds"]:
        return Part("seconds", text)
    if kind == "console":
        command = _COMMAND.match(code)
        if command is None or "\n$ " in code:
            raise ValueError(f"Expected one command in each block of console. Received:\n{code}")
        return Part(kind, text, command[1], code[command.end() :])
    return Part(kind, text, code, code if kind == "text" else "")


def notebook_of(parts: list[Part]) -> tuple[nbformat.NotebookNode, dict[int, int]]:
    """Makes the notebook, without outputs.

    Returns:
        The notebook, and cell -> part for those cells that are run.
    """
    cells, runs, prose = [], {}, ""
    for index, part in enumerate(parts):
        source = _source(part)
        if source is None:
            prose += "" if part.kind == "text" else part.text
            continue
        cells += _prose_cells(prose)
        runs[len(cells)] = index
        prose = ""
        cells.append(new_code_cell(source))
    cells += _prose_cells(prose)
    start = [new_markdown_cell(_PREAMBLE), new_code_cell(_PLAIN)]
    cells[1:1] = start
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return made, {cell + len(start): part for cell, part in runs.items()}


def _source(part: Part) -> str | None:
    if part.kind == "console":
        return f"!{part.code}"
    if part.kind == "python":
        return part.code.rstrip("\n")
    if part.kind == "picture" and part.code not in SCREENS:
        return _SHOW.format(part.code)
    return None


def _prose_cells(prose: str) -> list[nbformat.NotebookNode]:
    pieces = (piece.strip() for piece in re.split(r"^(?=#)", prose, flags=re.MULTILINE))
    return [new_markdown_cell(piece) for piece in pieces if piece]


def play(parts: list[Part], folder: Path, shell: Shell | None = None) -> Outcome:
    """Runs every cell of the notebook, one after the other.

    Args:
        parts: of the page.
        folder: to work in, which should be empty.
        shell: runs commands in the kernel's place.

    Returns:
        The notebook with its outputs, and what each part printed.

    Raises:
        CellExecutionError: a program failed.
    """
    notebook, runs = notebook_of(parts)
    outcome = Outcome(notebook)
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=_TIMEOUT_SECONDS, kernel_name="python3", resources=place
    )
    client.record_timing = False
    # The kernel's `mnist-exp` is the one of this environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    with client.setup_kernel(env=environment, stderr=subprocess.DEVNULL):
        for number, cell in enumerate(notebook.cells):
            part = parts[runs[number]] if number in runs else None
            began = time.monotonic()
            if part and part.kind == "console" and shell:
                cell.outputs = [new_output("stream", name="stdout", text=shell(part.code))]
            elif cell.cell_type == "code":
                client.execute_cell(cell, number)
            if part:
                outcome.seconds[runs[number]] = time.monotonic() - began
                outcome.answers[runs[number]] = _tidy(cell)
            if part and part.kind == "picture":
                shown = cell.outputs[0].data
                outcome.pictures[part.code] = squeezed(base64.b64decode(shown["image/png"]))
                shown["image/png"] = base64.b64encode(outcome.pictures[part.code]).decode()
    return outcome


def squeezed(picture: bytes) -> bytes:
    """Returns a picture as a PNG file of few colours, which takes a third of the bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _tidy(cell: nbformat.NotebookNode) -> str:
    """Makes one text of what a cell printed, in its outputs too, and returns it."""
    printed = [output for output in cell.outputs if output.output_type == "stream"]
    others = [output for output in cell.outputs if output.output_type != "stream"]
    text = "".join(output.text for output in printed).replace("\r\n", "\n")
    streams = [new_output("stream", name="stdout", text=text)] if text else []
    cell.outputs = [*streams, *others]
    return text


def said(parts: list[Part]) -> Iterator[tuple[int, str]]:
    """Yields each part that is run, with what the page says that it prints."""
    for index, part in enumerate(parts):
        if part.kind == "console":
            yield index, part.answer
        elif part.kind == "python":
            after = next(p for p in parts[index + 1 :] if p.kind != "prose" or p.text.strip())
            yield index, after.answer if after.kind == "text" else ""


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
            elif kept.is_file() and Image.open(made).size != Image.open(kept).size:
                yield f"{PAGE}: {made.name} has another size than {kept.name}"


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


def faults(root: Path) -> Iterator[str]:
    """Finds, without running anything, where page, notebook, pictures and prose disagree."""
    parts = parts_of((root / PAGE).read_text(encoding="utf-8"))
    wanted, runs = notebook_of(parts)
    kept = nbformat.read(root / NOTEBOOK, as_version=4)
    if [(c.cell_type, c.source) for c in kept.cells] != [
        (c.cell_type, c.source) for c in wanted.cells
    ]:
        yield f"{NOTEBOOK} is not what {PAGE} makes; `scripts/docs --tutorial write` makes it anew"
        return
    answers = dict(said(parts))
    for cell, index in runs.items():
        part = parts[index]
        if part.kind == "picture":
            picture = (root / PICTURES / f"tutorial-{part.code}.png").read_bytes()
            (shown,) = kept.cells[cell].outputs
            if base64.b64decode(shown.data["image/png"]) != picture:
                yield f"{NOTEBOOK}: the picture of {part.code} is not the one of {PAGE}"
        elif fitted(answers[index], _tidy(kept.cells[cell])) != answers[index].splitlines():
            yield f"{PAGE} and {NOTEBOOK} show different outputs of: {part.code.strip()}"
    prose = " ".join(part.text for part in parts if part.kind == "prose")
    shown = "\n".join(answers.values())
    for figure in stray_figures(prose, shown):
        yield f"{PAGE}: {figure} stands in the prose, and in no output"
