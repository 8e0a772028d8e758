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
    gc.collect()
    if tensorflow_setup.ours and not gc.get_freeze_count():
        gc.freeze()  # what libraries keep for ever need not be searched half a second each time


@contextlib.contextmanager
def own_gradients() -> Iterator[None]:
    """Drops after the block the graphs traced in it, images included, that TensorFlow would keep.

    A custom gradient in a graph, such as Keras' optimizers have, is registered for the life of the
    process, and holds on to its graph.
    """
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry  # noqa: SLF001 - there is no other way
    before = set(registry)
    try:
        yield
    finally:
        for name in registry.keys() - before:
            if name.startswith("CustomGradient-"):
                del registry[name]
