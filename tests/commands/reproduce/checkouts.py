"""A folder with runs, and a checkout of the code in which a test may edit."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import invoke
import projects

from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.records import RunRecord


def mnist_exp(folder: Path, *arguments: str, code: Path | None = None) -> invoke.Done:
    """Runs the real command in a folder, by the code of a checkout where one is given."""
    path = {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"} if code else {}
    return invoke.mnist_exp(folder, *arguments, env=os.environ | path)


@dataclass(frozen=True)
class Project:
    """A folder with runs."""

    folder: Path

    @property
    def store(self) -> Store:
        return projects.store(self.folder)

    def runs(self) -> list[RunRecord]:
        """The runs, newest first."""
        return list(self.store.search())

    def artifact(self, run: RunRecord, path: str) -> Path:
        [found] = self.folder.glob(f"mlruns/*/{run.run_id}/artifacts/{path}")
        return found


@dataclass(frozen=True)
class Checkout:
    """A git repository of the code, apart from the one that is tested."""

    root: Path

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(self.root), *identity, *arguments], check=True)

    def edit(self, path: str, before: str, after: str) -> None:
        """Replaces some text that is in a file once."""
        file = self.root / path
        text = file.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, after))
