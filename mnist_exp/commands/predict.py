"""`mnist-exp predict`: image files -> the digits in them, by the ONNX model of a run."""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from mnist_exp.core.errors import RequestError, reason_of
from mnist_exp.core.files import require_free, staged
from mnist_exp.core.terminal import printable, say, table_console
from mnist_exp.core.text import finite
from mnist_exp.inference import Reading, decode
from mnist_exp.inference.decoding import MOST_BYTES, SUFFIXES, images_in, read
from mnist_exp.runs.recognizer import recognizer_of
from mnist_exp.tracking.records import RunRecord

STANDARD_INPUT = "-"
REFUSED = 2
_PICTURE = ".png"
_PIPED_COLUMNS = 1000  # a name of a file that is cut in two names nothing
MOST_DRAWN = 12  # images, in a picture


class Answer(NamedTuple):
    """What an image says."""

    name: str  # of the image, safe to print
    size: tuple[int, int]  # width and height in pixels, as it was decoded
    reading: Reading


def predict(
    selector: str, images: Sequence[str], *, as_json: bool = False, picture: Path | None = None
) -> int:
    """Reads images and prints what they say, as a table or as JSON.

    Args:
        selector: what names the run.
        images: files, folders, or `-` for standard input.
        as_json: whether to print everything that is known.
        picture: where a picture of what was found goes, a new file; None for none.

    Returns:
        The exit code: 2 if an image was refused, of which stderr tells; the others are read.

    Raises:
        RequestError: there is no such run or file, or nothing to read, or something is where the
            picture should go.
        ExperimentError: the model or the picture failed.
    """
    if picture is not None:
        require_free(picture, folder=False, option="--show")
        if picture.suffix.lower() != _PICTURE:
            raise RequestError(
                f"Expected --show to name a new PNG file. Received: {picture}. Name it "
                f"{picture.with_suffix(_PICTURE)}."
            )
    names, refused = _names(selector, images)
    reader, run = recognizer_of(selector)
    answers: list[Answer] = []
    drawn: list[Any] = []  # float32 [H, W] of the first
    for name in names:
        shown = printable(name.encode(errors="replace").decode())
        try:
            grey = decode(_content(name), shown)
            reading = reader.read(grey)
        except RequestError as problem:
            text = str(problem)
            say(text if text.startswith(shown) else f"{shown}: {text}", error=True)
            continue
        answers.append(Answer(shown, (grey.shape[1], grey.shape[0]), reading))
        if picture is not None and len(drawn) < MOST_DRAWN:
            drawn.append(grey)
    if as_json:
        click.echo(json.dumps([_as_json(answer) for answer in answers], indent=2))
    elif answers:
        _print_table(answers)
        if not all(digit.sure for answer in answers for digit in answer.reading.digits):
            least = _least(run.name, reader.model.threshold)
            say(f"Unsure: {least}, by its mistakes on validation images.", error=True)
    if picture is not None and answers:
        _draw(answers, drawn, run, picture)
    return REFUSED if refused or len(answers) < len(names) else 0


def _least(name: str, threshold: float) -> str:
    """Says how sure a model has to be; above 1, it never is."""
    if threshold > 1:
        return f"no confidence of {name} is enough for an answer"
    return f"{name} needs {threshold:.2%} of confidence for an answer"


def _names(selector: str, images: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the image files that all arguments mean, and what is wrong with other arguments.

    Raises:
        RequestError: none means one.
    """
    if not images:
        image = selector if Path(selector).suffix.lower() in SUFFIXES else "digit.png"
        raise RequestError(
            f"Expected a run and images. Received: {selector} alone. Write mnist-exp predict best "
            f"{shlex.quote(image)}."
        )
    names: list[str] = []
    refused: list[str] = []
    for image in images:
        try:
            names += _files(image)
        except RequestError as problem:
            refused.append(str(problem))
    if not names:
        if Path(selector).suffix.lower() in SUFFIXES:
            swapped = shlex.join([*images, selector])
            refused.append(f"The run stands before the images: mnist-exp predict {swapped}.")
        raise RequestError(*refused)
    for text in refused:
        say(text, error=True)
    return names, refused


def _files(image: str) -> Iterator[str]:
    """Yields the image files that an argument means."""
    path = Path(image or os.devnull)  # the working folder was not named
    try:
        is_file, found = path.is_file(), images_in(path) if path.is_dir() else None
    except OSError as problem:
        raise RequestError(
            f"Expected an image file or a folder that can be read. Received: {image}, "
            f"{reason_of(problem)}. Check the path and its permissions."
        ) from problem
    if image == STANDARD_INPUT or is_file:
        yield image
    elif found is not None:
        if not found:
            raise RequestError(
                f"Expected a folder with images ({', '.join(SUFFIXES)}). Received: {image}, which "
                "has none. Folders inside it are not looked into; name them."
            )
        yield from map(str, found)
    else:
        received, remedy = f"{image}, which does not exist", "Check the path."
        if not image:
            received = "an empty name"
        elif path.exists():
            received, remedy = f"{image}, a pipe or a device", "Pipe the image to -."
        raise RequestError(
            "Expected an image file, a folder, or - for standard input. Received: "
            f"{received}. {remedy}"
        )


def _content(name: str) -> bytes:
    if name != STANDARD_INPUT:
        return read(Path(name))
    if sys.stdin is None:
        raise RequestError("-: Expected an image on standard input. Received: none, it is closed.")
    return sys.stdin.buffer.read(MOST_BYTES + 1)


def _as_json(answer: Answer) -> dict[str, Any]:
    return {
        "image": answer.name,
        "text": answer.reading.text,
        "size": list(answer.size),  # the boxes are in these pixels
        "digits": [
            {
                "digit": digit.value,
                "line": digit.line,
                "confidence": finite(digit.confidence),
                "sure": digit.sure,
                "probabilities": [finite(value) for value in digit.probabilities.tolist()],
                "box": [digit.box.left, digit.box.top, digit.box.right, digit.box.bottom],
            }
            for digit in answer.reading.digits
        ],
    }


def _print_table(answers: Sequence[Answer]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("image", "reads", "least confidence", ""):
        table.add_column(title, overflow="fold")
    for name, _, reading in answers:
        table.add_row(name, reading.text or "-", _least_confidence(reading), remarks(reading))
    table_console(_PIPED_COLUMNS).print(table)


def _least_confidence(reading: Reading) -> str:
    return f"{min(d.confidence for d in reading.digits):.1%}" if reading.digits else ""


def remarks(reading: Reading) -> str:
    """Returns what has to be said in words: that nothing is drawn, or what is unsure."""
    if not reading.digits:
        return "nothing drawn"
    return "; ".join(f"unsure: {digit.likely}" for digit in reading.digits if not digit.sure)


def _draw(answers: Sequence[Answer], drawn: Sequence[Any], run: RunRecord, picture: Path) -> None:
    from mnist_exp.plots.frame import save
    from mnist_exp.plots.readings import readings

    images = [(a.name, grey, a.reading) for a, grey in zip(answers, drawn, strict=False)]
    with staged(picture, folder=False, option="--show") as place:
        save(readings(images, run.name, left_out=len(answers) - len(drawn)), place)
    say(f"What was found is in {picture}.", error=True)
