"""What libraries keep of models that are gone, for processes that train many of them."""

import gc
import sys
from typing import Any


def forget() -> None:
    """Drops what Keras keeps of a model, so that fifty need no more memory than one."""
    keras: Any = sys.modules.get("keras")
    if keras is not None:
        keras.backend.clear_session(free_memory=False)  # which would be `gc.collect`
        _forget_gradients()
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()  # what libraries keep for ever need not be searched half a second each time


def _forget_gradients() -> None:
    """Drops the traced trainings, images included, that TensorFlow keeps for ever.

    A custom gradient in a graph, such as Keras' optimizers have, is registered for the life of the
    process, and holds on to its graph.
    """
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry  # noqa: SLF001 - there is no other way
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]
