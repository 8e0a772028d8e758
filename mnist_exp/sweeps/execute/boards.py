"""Where the claims of the commands at one sweep stand: tags of an experiment, or files."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mnist_exp.core.files import whole
from mnist_exp.tracking.mlflow.experiment_tags import ExperimentTags
from mnist_exp.tracking.names import CLAIM_TAG
from mnist_exp.tracking.read.experiment import Experiment


class Board(Protocol):
    """Where claims stand. All raise what the store raises."""

    def read(self) -> Mapping[str, str]:
        """Returns the id of each command -> its claim."""

    def write(self, name: str, text: str) -> None:
        """Sets a claim."""

    def remove(self, name: str) -> None:
        """Takes a claim away; one that is gone is fine."""


class Tags:
    """Claims as tags of the experiment."""

    def __init__(self, experiment: Experiment) -> None:
        """Takes the experiment that records the sweep."""
        self._tags = ExperimentTags(experiment.store.client, experiment.uri, experiment.name)

    def read(self) -> Mapping[str, str]:
        """See `Board`."""
        return {
            name.removeprefix(CLAIM_TAG): text for name, text in self._tags.read(CLAIM_TAG).items()
        }

    def write(self, name: str, text: str) -> None:
        """See `Board`."""
        self._tags.write(CLAIM_TAG + name, text)

    def remove(self, name: str) -> None:
        """See `Board`."""
        self._tags.remove(CLAIM_TAG + name)


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
