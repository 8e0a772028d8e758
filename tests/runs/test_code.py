"""A run's code is named by what it is: bytes, commit, changes, packages."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from invoke import python

from mnist_exp.runs import source_code


def test_packages_are_those_that_python_knows():
    known = {
        f"{found.metadata['Name'].replace('_', '-').lower()}=={found.version}"
        for found in importlib.metadata.distributions()
    }
    # Names may be spelt with dots, which the folders' names turn into underscores.
    assert {line.replace(".", "-") for line in source_code.packages()} == {
        line.replace(".", "-") for line in known
    }


def test_packages_that_an_older_pip_installed_count(tmp_path, monkeypatch):
    (tmp_path / "first_Thing-1.2-py3.11.egg-info").mkdir()
    (tmp_path / "second-0.4.post1.egg-info").mkdir()
    (tmp_path / "without_version.egg-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert source_code.packages() == ["first-thing==1.2", "second==0.4.post1"]


def test_what_a_logged_model_needs_is_pinned():
    assert f"keras=={importlib.metadata.version('keras')}" in source_code.model_requirements()


def test_code_in_a_checkout_has_a_commit_and_its_changes(tmp_path):
    shutil.copytree(source_code.PACKAGE, tmp_path / "mnist_exp")
    (tmp_path / "conf").mkdir()
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    clean = look(tmp_path)
    assert len(clean[1]) == 40
    assert clean[2] == ""
    (tmp_path / "mnist_exp" / "new.py").write_text("x = 1\n")
    with (tmp_path / "mnist_exp" / "models" / "networks.py").open("a") as file:
        file.write("# changed\n")
    changed = look(tmp_path)
    assert changed[0] != clean[0]
    assert changed[1] == clean[1]
    assert "+# changed" in changed[2]
    assert "new.py" in changed[2]


def test_code_outside_a_checkout_has_neither(tmp_path):
    shutil.copytree(source_code.PACKAGE, tmp_path / "mnist_exp")
    assert look(tmp_path)[1:] == ("None", "")


def look(folder: Path) -> tuple[str, str, str]:
    program = (
        "from mnist_exp.runs.source_code import code; c = code(); print(c.sha256); print(c.commit);"
        "print(c.diff, end='')"
    )
    done = python(program, cwd=folder, fresh=True, check=True)
    digest, commit, *diff = done.stdout.split("\n", 2)
    return digest, commit, "".join(diff)
