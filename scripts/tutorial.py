"""The tutorial: docs/tutorial.md, whose commands are run, and the notebook that is made of it.

The page is the source. A block of `console` has one command and its answer, in which a line of
"..." stands for lines that were left out; a block of `python` is followed by one of `text` where it
prints something. A picture `tutorial-NAME.png` is the file NAME.png that a step before it left, or
one of SCREENS. A line "Took N s." tells of the block before it.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tutorial_answers import stray_figures

PAGE = "docs/tutorial.md"
NOTEBOOK = "docs/tutorial.ipynb"
PICTURES = "docs/images"
SCREENS = ("pad", "ui")  # pictures of pages, which no step leaves
_PART = re.compile(
    r"^```(?P<kind>console|python|text)\n(?P<code>.*?)^```$"
    r"|^!\[[^\]\n]*\]\(images/tutorial-(?P<picture>[\w-]+)\.png\)$"
    r"|^Took (?P<seconds>\d+) s\.$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"\$ ((?:.*\\\n)*.*)\n")
_PREAMBLE = (
    "This is [the tutorial](tutorial.md) as a notebook: start Jupyter where `mnist-exp` is "
    "installed, in an empty folder, and run one cell after the other. A line that begins with `!` "
    "is a command as you would type it into a terminal, without the `!`. What stands in no cell, "
    "as `mnist-exp ui` below, goes on until you end it: give that in a terminal, in the same "
    "folder. The first cell only has commands print plain lines here."
)
_PLAIN = "%env FORCE_COLOR=\n%env COLUMNS=100"
_SHOW = 'import IPython\n\nIPython.display.Image("{}.png")'


@dataclass(frozen=True)
class Part:
    """A piece of the page."""

    kind: str  # prose, console, python, text, picture or seconds
    text: str  # as it stands on the page
    code: str = ""  # the command, the program, or the name of the picture
    answer: str = ""  # what the page says that comes out


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


def said(parts: list[Part]) -> Iterator[tuple[int, str]]:
    """Yields each part that is run, with what the page says that it prints."""
    for index, part in enumerate(parts):
        if part.kind == "console":
            yield index, part.answer
        elif part.kind == "python":
            after = next(p for p in parts[index + 1 :] if p.kind != "prose" or p.text.strip())
            yield index, after.answer if after.kind == "text" else ""


def filled(parts: list[Part], root: Path) -> nbformat.NotebookNode:
    """Makes the notebook with its outputs, which are those of the page.

    Args:
        parts: of the page.
        root: of the repository, which has its pictures.

    Returns:
        The notebook as it is kept.
    """
    notebook, runs = notebook_of(parts)
    answers = dict(said(parts))
    for cell, index in runs.items():
        part = parts[index]
        if part.kind == "picture":
            picture = (root / PICTURES / f"tutorial-{part.code}.png").read_bytes()
            data = {"image/png": base64.b64encode(picture).decode()}
            outputs = [new_output("display_data", data=data)]
        else:
            text = answers[index]
            outputs = [new_output("stream", name="stdout", text=text)] if text else []
        notebook.cells[cell].outputs = outputs
    return notebook


def faults(root: Path) -> Iterator[str]:
    """Finds, without running anything, where page, notebook, pictures and prose disagree."""
    parts = parts_of((root / PAGE).read_text(encoding="utf-8"))
    for part in parts:
        if part.kind == "picture" and not (root / PICTURES / f"tutorial-{part.code}.png").is_file():
            yield f"{PAGE}: the picture of {part.code} is not there"
            return
    if nbformat.read(root / NOTEBOOK, as_version=4) != filled(parts, root):
        yield (
            f"{NOTEBOOK} is not what {PAGE} and its pictures make; "
            "`scripts/docs --tutorial notebook` makes it anew"
        )
    prose = " ".join(part.text for part in parts if part.kind == "prose")
    for figure in stray_figures(prose, "\n".join(answer for _, answer in said(parts))):
        yield f"{PAGE}: {figure} stands in the prose, and in no output"
