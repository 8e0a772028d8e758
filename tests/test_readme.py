"""The README is true: its commands run, and its examples answer what it says."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import servers
from invoke import python

from examples import understand

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# The first two install and test this very checkout; tests/test_scripts.py tries what they do.
SCRIPTS = {"scripts/quickstart", "scripts/test"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("bash") for line in block.splitlines() if line]


@pytest.fixture
def shell(sealed_environment, monkeypatch):
    """Runs a line in bash, where `mnist-exp` is the one under test."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def run(line: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=400, check=False
        )

    return run


def test_every_command_of_the_readme_is_understood(shell):
    lines = [line for line in commands() if line.split()[0] not in SCRIPTS]
    assert len(lines) > 10
    for line in lines:
        if line.startswith("mnist-exp "):
            understand(line)
        else:
            assert shell(line).returncode == 0, line


@pytest.mark.long("every command of the README, word for word, one after the other")
@pytest.mark.timeout(1800)  # of 30 commands, each with 400 seconds
def test_every_command_of_the_readme(shell):
    run = [line for line in commands() if line.split()[0] not in SCRIPTS]
    assert len(run) > 10
    for line in run:
        if line.startswith("mnist-exp ui"):
            check_ui()
            continue
        done = shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def check_ui():
    with servers.serving(Path.cwd(), "ui") as (address, process):
        assert "MLflow" in servers.page(address, process)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert f"{address}/#/experiments/1/runs" in stdout


def test_the_examples_with_an_answer(shell):
    (example,) = blocks("console")
    line, _, answer = example.partition("\n")
    done = shell(line.removeprefix("$ "))
    assert done.returncode == 2
    assert done.stderr.strip() == answer.strip()


def test_the_python_example(sealed_environment):
    (example,) = blocks("python")
    done = python(example, check=True)
    assert re.fullmatch(r"[0-9a-f]{32} 0\.\d+ cnn\n", done.stdout)


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_the_tables_name_every_option():
    for group in (REPOSITORY / "conf").iterdir():
        if group.is_dir():
            for option in group.glob("*.yaml"):
                assert f"`{option.stem}`" in README, f"{group.name}={option.stem}"
