"""Starts commands and Python programs, in a fork of the warm interpreter or in a fresh one.

A fork spares a test the seconds that imports take. `fresh=True` is for what imports themselves do
and say; what the environment tells an interpreter only once makes one fresh by itself.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forks import Fork, has_place

Process = subprocess.Popen | Fork
Done = subprocess.CompletedProcess

LIMIT_SECONDS = 300.0  # thirty times what the longest takes on an idle machine
# Variables that are read once: by the loader, the interpreter, or a library when it is imported.
_READ_ONCE = (
    "CUDA",
    "KERAS",
    "LANG",
    "LC_",
    "LD_PRELOAD",
    "OMP_",
    "ONEDNN",
    "PYTHON",
    "TF_",
    "XLA_",
)

# What importing TensorFlow sets, so that it may be set in a test's process and in no command's.
_SET_BY_IMPORT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    "TF2_BEHAVIOR": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def start(folder: str | Path, *arguments: str, **options: Any) -> Process:
    """Starts `mnist-exp`.

    Args:
        folder: to start in.
        *arguments: the verb and what follows.
        **options: `fresh`, and those of `subprocess.Popen`; text comes through pipes by default.

    Returns:
        The process.
    """
    return _start(None, arguments, cwd=folder, **options)


def mnist_exp(folder: str | Path, *arguments: str, **options: Any) -> Done:
    """Runs `mnist-exp` to its end.

    Args:
        folder: to run in.
        *arguments: the verb and what follows.
        **options: `input`, `check`, `timeout` in seconds, and as `start` has them.

    Returns:
        What it said, and its exit code.
    """
    return _run(None, arguments, cwd=folder, **options)


def here(*arguments: str, **options: Any) -> Done:
    """Runs `mnist-exp` in the working folder, as `mnist_exp` does."""
    return _run(None, arguments, **options)


def start_python(code: str, *arguments: object, **options: Any) -> Process:
    """Starts a program, as `start` does."""
    return _start(code, list(map(str, arguments)), **options)


def python(code: str, *arguments: object, **options: Any) -> Done:
    """Runs a program to its end, as `mnist_exp` does."""
    return _run(code, list(map(str, arguments)), **options)


def _run(
    code: str | None,
    arguments: Sequence[str],
    *,
    input: Any = None,  # noqa: A002 - as subprocess has it
    timeout: float = LIMIT_SECONDS,
    check: bool = False,
    **options: Any,
) -> Done:
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with _start(code, arguments, stdin=stdin, **options) as process:
        try:
            out, errors = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError((process.args, process.communicate())) from None
    assert not (check and process.returncode), errors
    return Done(process.args, process.returncode, out, errors)


def _start(
    code: str | None,
    arguments: Sequence[str],
    *,
    fresh: bool = False,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Process:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    if has_place() and not fresh and _read_once(env or os.environ) == _READ:
        return Fork(code, arguments, env=env, **options)
    program = ("-m", "mnist_exp") if code is None else ("-c", code)
    return subprocess.Popen([sys.executable, *program, *arguments], env=env, **options)


def _read_once(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in environment.items()
        if name.startswith(_READ_ONCE) and _SET_BY_IMPORT.get(name) != text
    }


_READ = _read_once(os.environ)
