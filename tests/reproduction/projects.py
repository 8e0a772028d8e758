"""Folders with runs, and checkouts of the code in which a test may edit."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.tracking import RunRecord, Store, resolve

SMALL = ("data=digits", "training=smoke", "model=seed_mlp")


def mnist_exp(
    folder: Path, *arguments: str, code: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the real command in a folder, by the code of a checkout where one is given."""
    path = {"PYTHONPATH": str(code)} if code else {}
    return subprocess.run(
        [sys.executable, "-P", "-m", "mnist_exp", *arguments],
        cwd=folder,
        env=os.environ | path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@dataclass(frozen=True)
class Project:
    """A folder with runs."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(resolve(f"sqlite:///{self.folder}/mlflow.db"), "mnist")

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
