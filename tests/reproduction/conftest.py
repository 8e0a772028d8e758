"""A project with a finished run, and a checkout of the code, for each test its own."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import SMALL, Checkout, Project, mnist_exp

from mnist_exp import provenance


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    done = mnist_exp(folder, "train", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(finished: Path, sealed_environment: Path) -> Project:
    """The test's own copy of that folder, which is the working folder."""
    shutil.copytree(finished, sealed_environment, dirs_exist_ok=True)
    with sqlite3.connect(sealed_environment / "mlflow.db") as database:
        moved = (str(finished), str(sealed_environment))
        database.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", moved)
    database.close()
    return Project(sealed_environment)


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[], Checkout]:
    """Makes a repository with one commit, of today's code."""

    def make() -> Checkout:
        root = tmp_path / "checkout"
        for name in ("mnist_exp", "conf", "hydra_plugins"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(provenance.PACKAGE.parent / name, root / name, ignore=ignored)
        made = Checkout(root)
        made.git("init", "-q")
        made.git("add", ".")
        made.git("commit", "-qm", "first")
        return made

    return make
