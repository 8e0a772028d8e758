"""Components of a user's own in an installed package, and in a program."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import environments
import pytest
import waiting
from invoke import python
from own_components import EXAMPLES
from projects import SMOKE, only_run

from mnist_exp.config import places
from mnist_exp.tracking.names import COMPONENTS_TAG


def test_a_program_registers_its_own(sealed_environment):
    program = """
import mnist_exp
from mnist_exp.extend import Widths, model

@model("one_layer")
def one_layer():
    import keras
    return keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )

if __name__ == "__main__":
    run = mnist_exp.run("data=digits", "training=smoke", "model=one_layer")
    print(run.config.model.name, 0 < run.metrics["test/accuracy"] < 1)
"""
    Path("program.py").write_text(program)
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/one_layer.yaml").write_text("name: one_layer\n")
    done = python("import runpy; runpy.run_path('program.py', run_name='__main__')", check=True)
    assert done.stdout.endswith("one_layer True\n")


def built(folder: Path, target: Path) -> Path:
    """The wheel of a project."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


# As a process that finds the package from its beginning.
WITH_PACKAGE = """
import sys
from mnist_exp import cli
from mnist_exp.config import places
sys.path.insert(1, sys.argv.pop(1))
places.packages.cache_clear()
cli.main()
"""


def test_an_installed_package_brings_components_and_their_options(tmp_path):
    package = shutil.copytree(EXAMPLES / "package", tmp_path / "package")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", site, package], check=True)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    own = ("data=digits", *SMOKE, "model=mlp", "loss=generalized", "metrics=[worst_digit]")
    python(WITH_PACKAGE, site, "train", *own, cwd=work, check=True)
    run = only_run(work)
    assert run.params["loss.power"] == "0.5"
    assert 0 <= run.metrics["test/worst_digit"] < run.metrics["test/accuracy"]
    assert list(json.loads(run.tags[COMPONENTS_TAG])) == ["digit-components 0.1.0"]
    done = python(WITH_PACKAGE, site, "reproduce", "latest", cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_package_in_a_namespace_has_its_folder_below_it(tmp_path, monkeypatch):
    for file in ("a/company/one/__init__.py", "b/company/two/__init__.py", "b/company/parts.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "alone.py").touch()
    for place in ("", "a", "b"):
        monkeypatch.syspath_prepend(tmp_path / place)

    def folder_of(module: str) -> Path | None:
        return places.folder_of(EntryPoint("any", module, "mnist_exp.components"))

    assert folder_of("company.one.deep.parts") == tmp_path / "a/company/one"
    assert folder_of("company.two") == tmp_path / "b/company/two"
    assert folder_of("company.parts") == tmp_path / "b/company"
    for absent in ("alone", "company", "company.three", "nonesuch.parts"):
        assert folder_of(absent) is None


@pytest.mark.long("components of one's own from the wheel: swept, killed, resumed, reproduced")
@pytest.mark.timeout(900)  # of a dozen commands in fresh processes
def test_from_the_wheel_in_an_empty_environment(tmp_path):
    """Every promise that built-in ones have, where the checkout is out of sight."""
    environment = environments.empty(tmp_path / "venv", with_dependencies=True)
    package = shutil.copytree(EXAMPLES / "package", tmp_path / "package")
    for name, folder in (("ours", EXAMPLES.parent), ("theirs", package)):
        environments.install(environment, "--no-deps", "--no-index", built(folder, tmp_path / name))
    work = shutil.copytree(EXAMPLES / "components", tmp_path / "fresh")
    (work / "pyproject.toml").write_text('[tool.mnist_exp]\ncomponents = "components.py"\n')
    program = environment.with_name("mnist-exp")
    places = {"cwd": work, "env": {"PATH": os.defpath, "HOME": str(tmp_path)}}

    def run(*arguments: str, code: int = 0) -> str:
        command = [program, *arguments]
        done = subprocess.run(command, **places, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    small = ("data=digits", *SMOKE, "model=resnet", "training.epochs=40")
    own = (*small, "metrics=[macro_f1,worst_digit]")
    run("train", "-m", *own, "loss=focal,generalized", "seed=0,1")
    table = run("compare")
    assert "test/macro_f1" in table
    assert "test/worst_digit" in table

    process = subprocess.Popen([program, "train", *own, "loss=focal", "seed=7"], **places)
    checkpoints = "outputs/*/checkpoints/last.npz"
    waiting.until(lambda: [*work.glob(checkpoints)], process=process, what="no checkpoint")
    process.kill()
    process.wait()
    run("resume", "latest")
    assert "Verdict: identical." in run("reproduce", "latest")
    run("export", "latest", "--format", "onnx", "--out", "model.onnx")

    file = work / "components.py"
    file.write_text(file.read_text().replace("width // 2, 3", "width // 2, 1"))
    table = run("reproduce", "best", "--check-only", code=3)
    assert re.search(
        r"^components components.py +[0-9a-f]{12} +[0-9a-f]{12} *$", table, re.MULTILINE
    )
