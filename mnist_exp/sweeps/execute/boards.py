"""Where the claims of the commands at one sweep stand: tags of an experiment, or files."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mnist_exp.core.files import whole


class Board(Protocol):
    """Where claims stand. All raise what the store raises."""

    def read(self) -> Mapping[str, str]:
        """Returns the id of each command -> its claim."""

    def write(self, name: str, text: str) -> None:
        """Sets a claim."""

    def remove(self, name: str) -> None:
        """Takes a claim away; one that is gone is fine."""


class Files:
    """Claims as files of a folder."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder, which all commands find."""
        self._folder = folder

    def read(self) -> Mapping[str, str]:
        """See `Board`."""
        found = {}
        for file in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[file.stem] = file.read_text(encoding="utf-8")
        return found

    def write(self, name: str, text: str) -> None:
        """See `Board`."""
        with whole(self._folder / f"{name}.json", lasting=False) as part:
            part.write_text(text, encoding="utf-8")

    def remove(self, name: str) -> None:
        """See `Board`."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)
