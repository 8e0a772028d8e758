"""The process beside a run answers; neither its death nor its parent's leaves anybody waiting."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import waiting
from invoke import start_python

from mnist_exp.core import sidecar
from mnist_exp.core.sidecar import Sidecar

PARENT = """
import time
from mnist_exp.core.sidecar import Sidecar
import os
print(Sidecar.current().submit(os.getpid).result(), flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Processes as they are elsewhere: not forked from the interpreter of the tests."""
    monkeypatch.setattr(sidecar, "subprocess", subprocess)
    monkeypatch.setattr(Sidecar, "_running", None)


def test_it_answers_and_tells_errors():
    process = Sidecar.current()
    assert process.submit(abs, -3).result() == 3
    assert process.submit(print, "not an answer").result() is None
    with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
        process.submit(int, "three").result()
    with pytest.raises(RuntimeError, match="pickle"):
        process.submit(importlib.import_module, "json").result()


def test_requests_do_not_wait_for_each_other():
    process = Sidecar.current()
    slow = process.submit(time.sleep, 60)
    assert process.submit(os.getpid).result() != os.getpid()
    assert not slow.done()


def test_its_death_is_told_and_another_takes_its_place():
    process = Sidecar.current()
    assert Sidecar.current() is process
    slow = process.submit(time.sleep, 60)
    os.kill(process.submit(os.getpid).result(), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended"):
        slow.result()
    with pytest.raises(RuntimeError, match="ended"):
        process.submit(abs, -3).result()
    assert process.gone
    assert Sidecar.current().submit(abs, -3).result() == 3


def test_another_environment_has_another_process(monkeypatch):
    process = Sidecar.current()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    other = Sidecar.current()
    assert other is not process
    assert other.submit(abs, -3).result() == 3
    assert process.gone  # nothing waited for it


def test_what_waits_for_an_answer_has_it_in_another_environment_too(monkeypatch):
    process = Sidecar()
    monkeypatch.setattr(Sidecar, "_running", process)
    answer = process.submit(time.sleep, 2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    assert Sidecar.current() is not process
    assert answer.result() is None


def test_one_that_cannot_start_says_why_and_its_requests_fail(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    process = Sidecar()
    assert process.gone
    with pytest.raises(RuntimeError, match=r"cannot start: No such file or directory"):
        process.submit(abs, -3).result()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_what_slurm_sends_to_every_process_of_a_job_does_not_end_it(number):
    process = Sidecar.current()
    child = process.submit(os.getpid).result()
    os.kill(child, number)
    assert process.submit(os.getpid).result() == child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(number):
    with start_python(PARENT, stderr=subprocess.DEVNULL, fresh=True) as parent:
        process = int(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait()
    waiting.until(lambda: not Path("/proc", str(process)).exists(), what=f"{process} lives on")
