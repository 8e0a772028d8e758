"""Projects with trained runs, made once in a test run, by whichever of its workers asks first."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


class Gallery:
    """Folders that no test changes; a test that does takes a copy (`projects.copied`)."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        """Finds the folder that the workers of a test run share."""
        base = factory.getbasetemp()
        self._root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(self, name: str, make: Callable[[Path], object]) -> Path:
        """Returns a folder, which is made if no worker has made it yet.

        Args:
            name: of the folder.
            make: trains runs in it; if it fails, it is asked again, in a new folder.

        Returns:
            The folder.
        """
        with FileLock(self._root / f"gallery-{name}.lock"):
            done = self._root / f"gallery-{name}.done"
            if not done.exists():
                number = len(list(self._root.glob(f"gallery-{name}-*")))
                folder = self._root / f"gallery-{name}-{number}"
                folder.mkdir()
                make(folder)
                done.write_text(str(folder))
            return Path(done.read_text())
