"""The wheel: what is inside, and that it trains from an empty environment and another folder."""

import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import environments
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds the wheel with the backend itself: pip may be absent, and would want a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_every_config(wheel):
    package = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("mnist_exp", "hydra_plugins")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".css", ".html", ".js", ".py", ".typed")
    }
    configs = {
        f"mnist_exp/{path.relative_to(REPOSITORY).as_posix()}"
        for path in (REPOSITORY / "conf").rglob("*.yaml")
    }
    assert "mnist_exp/py.typed" in package
    assert {"mnist_exp/conf/config.yaml", "mnist_exp/conf/experiment/fast.yaml"} <= configs
    names = zipfile.ZipFile(wheel).namelist()
    files = {name for name in names if not re.match(r"mnist_exp-[\d.]+\.dist-info/", name)}
    assert files == package | configs


def test_the_installed_wheel_trains_in_another_folder(wheel, tmp_path):
    home, work = tmp_path / "empty_home", tmp_path / "another folder"
    home.mkdir()
    work.mkdir()
    python = environments.empty(tmp_path / "venv", with_dependencies=True)
    environments.install(python, "--no-deps", "--no-index", wheel)

    def said(*arguments: str) -> str:
        done = subprocess.run(
            [python.with_name("mnist-exp"), *arguments],
            cwd=work,
            env={"PATH": os.defpath, "HOME": str(home), "COLUMNS": "200"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said("train", "-m", "data=digits", "training=smoke", "model=seed_mlp", "seed=0,1")
    assert {"mlflow.db", "mlruns", "outputs"} <= {path.name for path in work.iterdir()}
    with closing(sqlite3.connect(work / "mlflow.db")) as store:
        assert store.execute("SELECT status FROM runs").fetchall() == 3 * [("FINISHED",)]
    table = said("reproduce", "latest", "--check-only")
    assert re.search(r"commit +mnist-exp [\d.]+ +the same", table), table


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_hashes_and_no_address(lock):
    text = (REPOSITORY / lock).read_text()
    requirements = re.findall(r"^\S+==.*(?:\\\n.*)+", text, flags=re.MULTILINE)
    assert len(requirements) > 100
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "/" not in text.replace("scripts/lock", "")


def test_the_smaller_lock_is_part_of_the_larger():
    pins, every_pin = (
        set(re.findall(r"^\S+==\S+", (REPOSITORY / lock).read_text(), flags=re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert pins < every_pin
