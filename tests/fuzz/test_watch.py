"""The watch over readers notices what it is there for."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import Broken, watched

from mnist_exp.core.errors import RequestError


def connect():
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def keep_busy():
    while True:
        pass


@pytest.mark.parametrize(
    "deed",
    [
        lambda: Path("/etc/passwd").read_text(),
        lambda: Path("../elsewhere").touch(),
        lambda: Path("../elsewhere").mkdir(),
        lambda: list(Path("/etc").iterdir()),
        lambda: os.system("true"),
        lambda: subprocess.run(["true"], check=True),
        lambda: exec("1 + 1"),
        lambda: eval("1 + 1"),
        lambda: pickle.loads(pickle.dumps(Path)),
        lambda: __import__("antigravity"),
        connect,
        keep_busy,
    ],
)
def test_what_no_reading_does_is_noticed(sealed_environment, monkeypatch, deed):
    monkeypatch.setattr("fuzzing._CPU_SECONDS", 0.2)
    sys.modules.pop("antigravity", None)
    with pytest.raises(Broken), watched(sealed_environment, Exception):
        deed()
    assert not list(sealed_environment.parent.glob("elsewhere"))


def test_memory_beyond_the_limit_is_noticed(sealed_environment):
    def fill():
        try:
            bytes(2**29)
        except MemoryError as problem:
            raise RequestError("it was refused") from problem

    with pytest.raises(Broken, match="256 MiB"), watched(sealed_environment, RequestError):
        fill()
    with watched(sealed_environment, mebibytes=1024):
        fill()


def test_what_is_caught_is_noticed(sealed_environment):
    def hide():
        try:
            Path("/etc/passwd").read_text()
        except BaseException:  # noqa: BLE001
            return

    with pytest.raises(Broken, match="passwd"), watched(sealed_environment):
        hide()


def test_reading_is_allowed(sealed_environment):
    Path("inside").write_text("text")
    with watched(sealed_environment, RequestError):
        assert Path("inside").read_text() == "text"
        assert Path(os.__file__).read_text()
        Path("new").touch()
        raise RequestError("it is documented")
