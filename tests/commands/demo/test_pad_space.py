"""The drawing pad of an exported Space."""

import os
import subprocess
import sys

import environments
import pytest
import servers
from invoke import mnist_exp
from pads import DIGITS, draw, opened, read_after
from servers import free_port

pytestmark = pytest.mark.xdist_group("demo")  # one trained project


@pytest.mark.parametrize(
    "installed",
    [
        False,
        pytest.param(True, marks=pytest.mark.long("an exported Space where pip installed it")),
    ],
)
def test_an_exported_space_draws_in_an_empty_environment(installed, project, chromium, tmp_path):
    space, venv = tmp_path / "space", tmp_path / "venv"
    mnist_exp(project, "export", "best", "--format", "space", "--out", str(space), check=True)
    header = (space / "README.md").read_text().split("---")[1]
    assert "sdk: gradio\n" in header
    assert 'python_version: "{}.{}"\n'.format(*sys.version_info) in header
    assert "app_file: app.py\n" in header
    python = environments.empty(venv, with_dependencies=not installed)
    if installed:
        environments.install(python, "-r", space / "requirements.txt")
    absent = [python, "-c", "import mnist_exp.cli"]
    assert subprocess.run(absent, cwd=tmp_path, capture_output=True, check=False).returncode
    port = free_port()
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": "",
    }
    with subprocess.Popen(
        [python, "app.py"],
        cwd=space,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            servers.page(f"http://127.0.0.1:{port}", process)
            opened(chromium, f"http://127.0.0.1:{port}")
            assert read_after(chromium, lambda: draw(chromium, DIGITS[7])) == ["7"]
        finally:
            process.terminate()
            process.wait(20)
