"""Keras's own export, quiet, and with its troubles with files told as Python tells its own."""

from pathlib import Path
from typing import Any

import keras

from mnist_exp.core import tensorflow_setup


def write(model: keras.Model, path: Path, form: str, **options: Any) -> None:
    """Exports a model with Keras.

    Args:
        model: what is exported.
        path: where it goes.
        form: what Keras calls the format.
        **options: of that format.

    Raises:
        OSError: it cannot be written.
    """
    tf = tensorflow_setup.tensorflow()
    try:
        model.export(path, format=form, verbose=False, **options)
    except tf.errors.OpError as problem:
        raise OSError(problem.message) from problem
