"""The drawing pad on a model, as a folder for Hugging Face Spaces.

It holds what the page needs and no more: the ONNX model, an `app.py`, and those modules of this
package that read pictures and lay out the page. It needs no network, no MLflow and no TensorFlow.
"""

import shutil
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.core.terminal import printable
from mnist_exp.core.text import in_markdown
from mnist_exp.runs.recognizer import caption

if TYPE_CHECKING:
    from mnist_exp.commands.export.source import Source

MODEL, APP, REQUIREMENTS, PAGE = "model.onnx", "app.py", "requirements.txt", "README.md"
# As their names on the package index; Spaces installs Gradio too, by the version in the header.
PACKAGES = ("gradio", "numpy", "onnxruntime", "opencv-python-headless", "pillow")
_PARTS = (
    "__init__.py",
    "core/__init__.py",
    "core/digits.py",
    "core/errors.py",
    "core/files.py",
    "core/locks.py",
    "core/terminal.py",
    "inference/*.py",
    "commands/__init__.py",
    "commands/demo/__init__.py",
    "commands/demo/cards.py",
    "commands/demo/data_urls.py",
    "commands/demo/pad.html",
    "commands/demo/pad.js",
    "commands/demo/pad.py",
    "commands/demo/page.css",
    "commands/demo/page.py",
    "commands/demo/reader.py",
)
_APP = '''\
"""A drawing pad, read by a model that mnist_exp trained and exported."""

from pathlib import Path

from mnist_exp.commands.demo.page import look, page
from mnist_exp.commands.demo.reader import Reader
from mnist_exp.inference import Model, Recognizer

NAME = {name!r}
CAPTION = {caption!r}

model = Model(Path(__file__).with_name({model!r}).read_bytes())
demo = page(Reader(NAME, CAPTION, Recognizer(model)))

if __name__ == "__main__":
    demo.launch(**look(), ssr_mode=False)
'''
_README = """\
---
title: Draw a digit
emoji: "\N{PENCIL}"
colorFrom: indigo
colorTo: gray
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: {app}
license: mit
---

# Draw a digit

A drawing pad, read by {name}, a network for handwritten digits that mnist_exp trained
on {data}: {caption}. It also reads photos, several digits at once, dark on light or light on dark.

To try it here:

    python -m venv .venv
    .venv/bin/pip install -r {requirements}
    .venv/bin/python {app}

To publish it, make a Space with the Gradio SDK, and push this folder to its repository.
"""


def write_space(source: "Source", folder: Path) -> float:
    """Writes the folder, with a model that was checked.

    Args:
        source: the run's model and data.
        folder: where; it does not exist yet.

    Returns:
        The largest difference of a probability from the Keras model's.

    Raises:
        ExperimentError: the ONNX model does not give the Keras model's answers.
        OSError: it cannot be written.
    """
    from mnist_exp.models.export.onnx import write_onnx

    run = source.run
    folder.mkdir()
    images, threshold = source.splits.test.images, source.threshold
    difference = write_onnx(source.classifier, folder / MODEL, images, threshold=threshold)
    _copy_parts(folder / "mnist_exp")
    values = {
        "name": printable(run.name),
        "caption": caption(run),
        "model": MODEL,
        "data": source.splits.name,
        "gradio": version("gradio"),
        "python": "{}.{}".format(*sys.version_info),  # for which the packages were chosen
        "app": APP,
        "requirements": REQUIREMENTS,
    }
    (folder / APP).write_text(_APP.format(**values), encoding="utf-8")
    values["name"] = in_markdown(run.name)
    (folder / PAGE).write_text(_README.format(**values), encoding="utf-8")
    pins = "".join(f"{name}=={version(name)}\n" for name in PACKAGES)
    (folder / REQUIREMENTS).write_text(pins, encoding="utf-8")
    return difference


def _copy_parts(folder: Path) -> None:
    package = Path(str(files("mnist_exp")))
    for part in _PARTS:
        for file in sorted(package.glob(part)):
            copy = folder / file.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
