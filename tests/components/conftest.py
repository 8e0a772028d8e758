"""A project with components of its own."""

import shutil
from pathlib import Path

import pytest
from own_components import EXAMPLES


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with the example's components, which its pyproject.toml names."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / "components", folder)
    (folder / "pyproject.toml").write_text('[tool.mnist_exp]\ncomponents = "components.py"\n')
    return folder
