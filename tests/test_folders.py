"""Folders that commands find: a home that nobody can use, and a working folder that is gone."""

import json
import os

import pytest
from invoke import here, python
from PIL import Image
from projects import SMALL, copied

from mnist_exp import cli

# Permissions do not bind root; what is asked of a name that is too long fails in the same calls.
UNUSABLE = "/" + 300 * "x"
HOMELESS = {"HOME": UNUSABLE, "XDG_CACHE_HOME": UNUSABLE}
GONE = """
import json, os, sys
from mnist_exp import cli
os.mkdir("gone"), os.chdir("gone"), os.rmdir(os.getcwd())
for arguments in json.loads(sys.argv[1]):
    print(cli.execute(arguments))
"""
NO_HOME = """
import os, pathlib
from mnist_exp import cli
os.setuid(54_321)
del os.environ["HOME"]
cli._require_home()
print(pathlib.Path.home())
"""
ARGUMENTS = {
    "export": ["latest", "--format", "onnx", "--out", "model.onnx"],
    "predict": ["latest", "digit.png"],
    "compare": [],
    "demo": [],
    "runs": [],
    "schema": [],
    "sync": [],
    "ui": [],
    "train": ["-m", "seed=1,2"],
}


def test_a_home_that_cannot_be_used_keeps_no_verb_from_its_work(small, sealed_environment):
    copied(small, sealed_environment)
    Image.new("L", (28, 28)).save("digit.png")
    environment = {**os.environ, **HOMELESS}
    for arguments in (
        ["runs"],
        ["compare", "--html", "page.html"],
        ["predict", "latest", "digit.png"],
        ["train", *SMALL, "seed=2"],
    ):
        done = here(*arguments, env=environment)
        assert done.returncode == 0, done.stderr


def test_data_that_nobody_can_keep_are_told_of_in_words(sealed_environment):
    environment = {**os.environ, **HOMELESS}
    del environment["MNIST_EXP_DATA"]
    done = here("train", "model=seed_mlp", "data.mirrors=[http://127.0.0.1:9/]", env=environment)
    assert done.returncode == 1
    assert "Expected to write MNIST to" in done.stderr
    assert "defect" not in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user that nobody knows")
def test_a_user_without_a_home_has_one():
    assert python(NO_HOME, check=True).stdout == "/\n"


def test_in_a_folder_that_was_deleted_every_verb_says_so():
    verbs = sorted(set(cli.cli.commands) - {"completion"})  # which needs none
    lines = [[verb, *ARGUMENTS.get(verb, ["latest"])] for verb in verbs]
    done = python(GONE, json.dumps(lines), check=True)
    assert done.stdout.split() == ["2"] * len(verbs)
    assert done.stderr.count("Expected a working folder") == len(verbs)
    assert len(done.stderr.splitlines()) == len(verbs)


def test_in_a_folder_that_was_deleted_nothing_is_completed():
    environment = {"_MNIST_EXP_COMPLETE": "bash_complete", "COMP_LINE": "mnist-exp resume "}
    code = GONE.replace("cli.execute(arguments)", "cli.execute([])")
    done = python(code, "[[]]", env={**os.environ, **environment}, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
