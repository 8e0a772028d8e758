"""A fork of the warm interpreter is to a test what a fresh process is."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from invoke import here, python, start_python

either = pytest.mark.parametrize("fresh", [False, True], ids=["fork", "fresh"])

TELL = """
import json, os, signal, sys
print(json.dumps([
    os.getcwd(), sys.argv[1:], os.environ.get("TOLD"), sys.stdin.read(), sys.stdout.isatty(),
    signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.getpgid(0) == os.getpid(),
]))
print("and words", file=sys.stderr)
sys.exit(3)
"""


@either
def test_it_has_its_own_folder_words_environment_and_streams(fresh, tmp_path):
    environment = {**os.environ, "TOLD": "so"}
    done = python(TELL, "a", "b c", cwd=tmp_path, env=environment, input="in", fresh=fresh)
    told = [str(tmp_path), ["a", "b c"], "so", "in", False, True, False]
    assert (json.loads(done.stdout), done.stderr, done.returncode) == (told, "and words\n", 3)
    assert "TOLD" not in os.environ
    assert Path.cwd() != tmp_path


@either
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_it(fresh, number):
    code = "import time; print('here', flush=True); time.sleep(60)"
    with start_python(code, fresh=fresh, start_new_session=True) as process:
        assert process.stdout.readline() == "here\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        os.killpg(process.pid, number)
        assert process.communicate()[0] == ""
    assert process.returncode == -number


@either
def test_an_error_and_a_long_answer_arrive_whole(fresh):
    code = "import sys; print('x' * 1_000_000); sys.stderr.write('y' * 1_000_000); 1 // 0"
    done = python(code, fresh=fresh)
    assert done.stdout == "x" * 1_000_000 + "\n"
    assert done.stderr.startswith("y" * 1_000_000 + "Traceback")
    assert done.stderr.endswith("ZeroDivisionError: integer division or modulo by zero\n")
    assert done.returncode == 1


def test_forks_share_no_random_numbers_and_trained_nothing():
    code = (
        "import random, numpy, tensorflow.python.eager.context as c\n"
        "print(random.random(), numpy.random.random(), c.context()._initialized)"
    )
    first, second = (python(code, check=True).stdout.split() for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert first[2] == second[2] == "False"


def test_a_fork_computes_what_a_fresh_process_computes():
    code = (
        "import sys, numpy as np\n"
        "from mnist_exp.core import tensorflow_setup\n"
        "tf = tensorflow_setup.tensorflow()\n"
        "tf.random.set_seed(1)\n"
        "x = tf.random.normal((64, 64))\n"
        "np.save(sys.argv[1], tf.nn.softmax(x @ x).numpy())\n"
    )
    for name, fresh in (("fork", False), ("fresh", True)):
        python(code, f"{name}.npy", fresh=fresh, check=True)
    assert np.array_equal(np.load("fork.npy"), np.load("fresh.npy"))


def test_what_an_interpreter_reads_once_makes_a_fresh_one():
    optimized = {**os.environ, "PYTHONOPTIMIZE": "1"}
    assert python("import sys; print(sys.flags.optimize)", env=optimized).stdout == "1\n"
    assert here("--version", env=optimized).returncode == 0
