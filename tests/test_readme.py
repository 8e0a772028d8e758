"""The README is true: its commands run, and its examples answer what it says."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

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
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [sys.executable, "-m", "mnist_exp", "ui", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                    assert b"MLflow" in page.read()
                    break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("the UI did not answer")
    finally:
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert f"http://127.0.0.1:{port}/#/experiments/1/runs" in stdout.decode()


def test_the_examples_with_an_answer(shell):
    (example,) = blocks("console")
    line, _, answer = example.partition("\n")
    done = shell(line.removeprefix("$ "))
    assert done.returncode == 2
    assert done.stderr.strip() == answer.strip()


def test_the_python_example(sealed_environment):
    (example,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
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
