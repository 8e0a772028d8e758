"""What libraries keep of models that are gone, for processes that train many of them."""

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

from mnist_exp.core import tensorflow_setup


def forget() -> None:
    """Drops what Keras keeps of a model, so that fifty need no more memory than one.

    In a program of a user's, whose Keras has more to keep, it only collects garbage.
    """
    keras: Any = sys.modules.get("keras")
    if keras is not None and tensorflow_setup.ours:
        keras.backend.clear_session(free_memory=False)  # which would be `gc.collect`
        for name in _custom():
            del _registry()[name]
    gc.collect()
    if tensorflow_setup.ours and not gc.get_freeze_count():
        gc.freeze()  # what libraries keep for ever need not be searched half a second each time


class Gradients:
    """Custom gradients of graphs that are traced in some blocks.

    TensorFlow registers them, such as those of Keras' optimizers, for the life of the process, and
    each holds on to its graph, images included. A thread of the program's that traces at the same
    moment is not told apart.
    """

    def __init__(self) -> None:
        """Knows of none yet."""
        self._names: set[str] = set()

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Takes note of what is registered in the block."""
        before = _custom()
        try:
            yield
        finally:
            self._names |= _custom() - before

    def drop(self) -> None:
        """Lets go of them; what was registered otherwise stays."""
        for name in self._names:
            _registry().pop(name, None)
        self._names.clear()


def _custom() -> set[str]:
    """Returns the names of custom gradients; those of TensorFlow's own operations stay for good."""
    return {name for name in _registry() if name.startswith("CustomGradient-")}


def _registry() -> dict[str, Any]:
    from tensorflow.python.framework import ops

    found: dict[str, Any] = ops.gradient_registry._registry  # noqa: SLF001 - there is no other way
    return found
