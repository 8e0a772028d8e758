"""TensorFlow, imported quietly, beside other work, and without what only wraps other libraries."""

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from mnist_exp.core import numerics, signals

# Keras and TensorFlow look for these to offer conversions from and to them. Finding them takes a
# third of the whole import.
_WRAPPED = frozenset({"matplotlib", "pandas", "sklearn"})

# Whether this process is a command of ours. In a program of a user's, who may want what Keras makes
# of those libraries, nothing is left out.
ours = False

# What stood for sys.stderr during the import. It stays open, because a progress bar that began
# meanwhile puts it back at its end.
_stand_ins: list[TextIO] = []


def tensorflow() -> Any:
    """Imports TensorFlow, unless that is done.

    Returns:
        The module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    numerics.choose(ours=ours)
    numerics.taken()
    # A signal in the middle of an import would look like a broken installation.
    with signals.held(), _without_native_stderr(), _without_wrapped():
        module = importlib.import_module("tensorflow")
    _quiet_logger()
    return module


@contextlib.contextmanager
def tensorflow_beside() -> Iterator[None]:
    """Imports TensorFlow in a thread while the block does something else; its end waits for it."""
    if "tensorflow" in sys.modules:
        yield
        return
    from concurrent.futures import ThreadPoolExecutor  # a short command need not wait for it

    # It goes through NumPy's types, to which TensorFlow adds some; scikit-learn imports it, too.
    importlib.import_module("numpy.ma")
    with ThreadPoolExecutor(1, "import-tensorflow") as pool:
        importing = pool.submit(tensorflow)
        try:
            yield
        finally:
            with signals.held():
                importing.exception()
    importing.result()


class _Hidden:
    """A finder of modules that says to the thread that made it that the wrapped ones are absent."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        del path, target
        if name in _WRAPPED and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is left out", name=name)


@contextlib.contextmanager
def _without_wrapped() -> Iterator[None]:
    if not ours:
        yield
        return
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(hidden)


def _quiet_logger() -> None:
    """Leaves TensorFlow's Python log to errors: it warns of every model that is built anew."""
    import logging

    logger = logging.getLogger("tensorflow")
    logger.setLevel(logging.ERROR)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = sys.stderr  # the one that it found while it was loaded is closed


@contextlib.contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Keeps file descriptor 2 from what TensorFlow prints while it loads, which no setting stops.

    Python's own sys.stderr still reaches its old place. After an error, all is shown.
    """
    import tempfile

    sys.stderr.flush()
    kept = os.dup(2)
    python_stderr = sys.stderr
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        if python_stderr is sys.__stderr__:
            _stand_ins.append(os.fdopen(os.dup(kept), "w", buffering=1))
            sys.stderr = _stand_ins[-1]
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(kept, hidden.read())
            raise
        finally:
            sys.stderr = python_stderr
            os.dup2(kept, 2)
            os.close(kept)
