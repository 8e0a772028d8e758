"""A project with a finished run, and a checkout of the code, for each test its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import Checkout, Project
from projects import copied

from mnist_exp.runs import source_code


@pytest.fixture
def project(small: Path, sealed_environment: Path) -> Project:
    """A folder with one run, which is the working folder."""
    return Project(copied(small, sealed_environment))


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[], Checkout]:
    """Makes a repository with one commit, of today's code."""

    def make() -> Checkout:
        root = tmp_path / "checkout"
        for name in ("mnist_exp", "conf", "hydra_plugins"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source_code.PACKAGE.parent / name, root / name, ignore=ignored)
        made = Checkout(root)
        made.git("init", "-q")
        made.git("add", ".")
        made.git("commit", "-qm", "first")
        return made

    return make
