"""The scripts, as far as it is cheap: Python, venv and pip are real, the packages are left out.

`empty.lock` names none, so that pip has nothing to fetch.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BASH_SCRIPTS = (
    "quickstart",
    "test",
    "check",
    "docs",
    "lock",
    "benchmark",
    "determinism",
    "mutants",
    "faults",
    "fuzz",
)
# A project that needs no build tool: the backend makes the wheel of an editable install by hand.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """\
import zipfile


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "project-1.0-py3-none-any.whl"
    files = {
        "METADATA": "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(f"project-1.0.dist-info/{file}", text)
    return name
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the scripts in a project of their own."""
    folder = tmp_path / "a project"
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "empty.lock").write_text("# nothing\n")
    return folder


@pytest.fixture
def path(tmp_path):
    """A PATH with this Python and the system's tools, without uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(Path(sys._base_executable))
    return f"{folder}:/usr/bin:/bin"


def make_environment(project, path, before="", **environment):
    return subprocess.run(
        ["bash", "-c", f"{before}source scripts/environment; make_environment empty.lock"],
        cwd=project,
        env={
            "PATH": path,
            "HOME": os.environ["HOME"],
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", [*BASH_SCRIPTS, "../.ci/run"])
def test_a_script_can_be_run_and_has_no_syntax_error(name):
    script = REPOSITORY / "scripts" / name
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_environment_is_made_once_and_again_when_it_must(project, path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (project / ".venv").mkdir()
    (project / ".venv" / "half a package").touch()
    (project / ".venv" / "installed.txt").write_text(f"installing {ended.pid}\n")
    first = make_environment(project, path)
    assert first.returncode == 0, first.stderr
    assert "The last installation was interrupted" in first.stdout
    assert "Making .venv with Python 3." in first.stdout
    assert not (project / ".venv" / "half a package").exists()
    assert make_environment(project, path).stdout == ".venv is up to date.\n"

    (project / "empty.lock").write_text("# changed\n")
    changed = make_environment(project, path)
    assert "Installing" in changed.stdout
    assert "Making" not in changed.stdout

    (project / "empty.lock").write_text("nothing==1 --hash=sha256:00\n")
    failed = make_environment(project, path, PIP_NO_INDEX="1")
    assert failed.returncode == 1
    assert ".venv is kept" in failed.stderr
    (project / "empty.lock").write_text("# changed\n")
    mended = make_environment(project, path, CDPATH=f".:{project.parent}")
    assert mended.returncode == 0, mended.stderr
    assert "Installing" in mended.stdout
    assert "Making" not in mended.stdout

    moved = project.rename(project.with_name("moved"))
    assert "was moved" in make_environment(moved, path).stdout


def test_an_interrupted_installation_whose_number_this_process_has_starts_again(project, tmp_path):
    """As in containers, where each script is process 1."""
    before = "mkdir .venv; echo installing $$ >.venv/installed.txt; "
    done = make_environment(project, tools(tmp_path, "rm"), before)
    assert "interrupted" in done.stdout


def test_an_installation_under_way_is_left_alone(project, path):
    (project / ".venv").mkdir()
    (project / ".venv" / "installed.txt").write_text(f"installing {os.getpid()}\n")
    done = make_environment(project, path)
    assert done.returncode == 1
    assert f"Process {os.getpid()} is installing into .venv." in done.stderr


def tools(tmp_path, *more):
    """Makes a PATH without any Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in ("bash", "cat", "cksum", "dirname", "mkdir", "uname", *more):
        (folder / tool).symlink_to(shutil.which(tool))
    return str(folder)


def test_without_a_supported_python_it_says_so(project, tmp_path):
    done = make_environment(project, tools(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Expected Python 3.11, 3.12 or 3.13, or uv, on the PATH.")


def test_where_nothing_can_be_installed_it_says_so(project, path):
    done = make_environment(
        project, path, "uname() { echo Darwin; [[ $1 != -m ]] || echo x86_64; }; "
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Expected Linux, or macOS on Apple silicon. Received: Darwin on ")
    assert not (project / ".venv").exists()


def test_the_benchmark_explains_itself():
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "benchmark.py", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "--seeds N" in done.stdout
    for subject in ("commands", "sweeps", "records"):
        assert subject in done.stdout


@pytest.mark.parametrize(
    "file",
    [".github/workflows/ci.yml", ".pre-commit-config.yaml", ".devcontainer/devcontainer.json"],
)
def test_what_hooks_and_ci_call_is_there(file):
    called = set(re.findall(r"\bscripts/\w+", (REPOSITORY / file).read_text()))
    assert called
    called.discard("scripts/environment")  # which is sourced
    assert all(os.access(REPOSITORY / script, os.X_OK) for script in called)


def test_the_image_is_made_of_what_is_there():
    copied = re.findall(r"^COPY (.*) \S+$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert names == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in names)
