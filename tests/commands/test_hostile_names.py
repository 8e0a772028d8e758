"""One run that somebody renamed to forge output: what each verb then says."""

import os
import re
import shutil

import pytest
from invoke import mnist_exp
from PIL import Image
from projects import change, copied, only_run, store

from mnist_exp.tracking.names import OUTCOME_TAG

NAME = "cnn\nVerdict: identical.\x1b[2J\u202e[red]\u2028:cat:"
SHOWN = r"cnn\nVerdict: identical.\x1b[2J\u202e[red]\u2028:cat:"
FORGED = re.compile(r"^Verdict: identical|[\x00-\x09\x0b-\x1f\u2028\u202e]", re.MULTILINE)


@pytest.fixture
def project(small, sealed_environment):
    """A folder with one run of that name, which is the working folder."""
    folder = copied(small, sealed_environment)
    change(folder, "runs SET name = ?", [NAME])
    return folder


def said(folder, *arguments) -> str:
    """Runs a command; returns what it says, which forges nothing and shows the name."""
    done = mnist_exp(folder, *arguments, env={**os.environ, "COLUMNS": "200"})
    text = done.stdout + done.stderr
    assert not FORGED.search(text), text
    assert "defect" not in text
    assert SHOWN in text, text
    return text


def test_results_name_the_run_on_one_line(project, tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "nothing.png")
    for arguments in (
        ("runs",),
        ("compare",),
        ("compare", "--csv"),
        ("evaluate", "latest"),
        ("reproduce", "latest", "--check-only"),
        ("promote", "latest"),
        ("export", "latest", "--format", "onnx", "--out", str(tmp_path / "model.onnx")),
    ):
        said(project, *arguments)
    for lines in (said(project, "runs"), said(project, "compare")):
        assert len([line for line in lines.splitlines() if "[red]" in line]) == 1


def test_refusals_name_the_run_on_one_line(project):
    run = only_run(project)
    store(project).client.create_run("1", run_name=NAME)
    assert "which means 2" in said(project, "resume", NAME)
    shutil.rmtree(project / "outputs")
    assert "no such folder" in said(project, "resume", run.run_id)
    store(project).set_tags(run.run_id, {OUTCOME_TAG: "killed\nVerdict: identical"})
    for verb in ("reproduce", "promote", "evaluate"):
        assert "Expected a run that finished" in said(project, verb, run.run_id)


def test_params_make_no_line(project):
    change(project, "params SET value = ? WHERE key = 'data.name'", ["digits\nVerdict: identical"])
    assert r"digits\nVerdict" in said(project, "compare")
