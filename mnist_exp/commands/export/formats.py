"""The table of formats. Help reads it: what a format needs is imported when it is written."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mnist_exp.core.errors import RequestError

if TYPE_CHECKING:
    from mnist_exp.commands.export.source import Source


class Format(NamedTuple):
    """How a model is written in one format."""

    # Writes it at a path, checked, and returns lines that say what was found.
    write: Callable[["Source", Path], list[str]]
    is_folder: bool  # else one file
    package: str = ""  # to be imported, that an extra brings
    extra: str = ""

    def require(self) -> None:
        """Checks that what the format needs is installed.

        Raises:
            RequestError: it is not.
        """
        if self.package and importlib.util.find_spec(self.package) is None:
            raise RequestError(
                f"Expected {self.package}, which this format needs. Received: an installation "
                f"without it. Add it with `pip install 'mnist-exp[{self.extra}]'`."
            )


def _onnx(source: "Source", file: Path) -> list[str]:
    from mnist_exp.models.export.onnx import write_onnx

    images, threshold = source.splits.test.images, source.threshold
    return [_checked(source, write_onnx(source.classifier, file, images, threshold=threshold))]


def _litert(source: "Source", folder: Path) -> list[str]:
    from mnist_exp.commands.export import litert_page
    from mnist_exp.models.export import litert

    exported = litert.write_litert(source.classifier, folder, source.splits)
    litert_page.write(source, exported, folder)
    return [_checked(source, exported.difference), *litert_page.lines(source, exported)]


def _savedmodel(source: "Source", folder: Path) -> list[str]:
    from mnist_exp.models.export.savedmodel import write_savedmodel

    images = source.splits.test.images
    return [_checked(source, write_savedmodel(source.classifier, folder, images))]


def _space(source: "Source", folder: Path) -> list[str]:
    from mnist_exp.commands.export.hugging_face_space import PAGE, write_space

    difference = write_space(source, folder)
    return [_checked(source, difference), f"{PAGE} in it says how to try and publish it"]


FORMATS = {
    "onnx": Format(_onnx, is_folder=False),
    "litert": Format(_litert, is_folder=True, package="ai_edge_litert", extra="litert"),
    "savedmodel": Format(_savedmodel, is_folder=True),
    "space": Format(_space, is_folder=True, package="gradio", extra="demo"),
}


def _checked(source: "Source", difference: float) -> str:
    from mnist_exp.models.export.check import CHECKED_IMAGES

    images = min(CHECKED_IMAGES, len(source.splits.test))
    return (
        f"checked on {images:,} test images of {source.splits.name}: the same digits as the Keras "
        f"model, probabilities within {difference:.1g}"
    )
