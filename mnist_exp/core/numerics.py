"""What changes numbers or speed beside the config: what TensorFlow and Keras take from outside.

TensorFlow and its libraries read environment variables, once, when they are loaded; Keras has
defaults, in a file of the user's. What nobody set is chosen by what the processor can do.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.core import cuda, processor
from mnist_exp.core.errors import RequestError

_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_DETERMINISTIC = "TF_DETERMINISTIC_OPS"  # on GPUs: the same bits twice, at a price
_KERAS_HOME = "KERAS_HOME"
_HIDDEN_HOME = "MNIST_EXP_KERAS_HOME"  # what the user has it set to, for processes started here too
_ON = {"1", "true"}  # as TensorFlow reads them
# TensorFlow leaves oneDNN's kernels off on processors without AVX-512, where they halve the time
# of a convolutional network, too.
_ONEDNN_FLAGS = {"avx2"}
# The beginnings of those that may change what is computed, or how fast.
VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_",
    "ONEDNN_",
    "TF_AUTO_",
    "TF_CUDNN_",
    "TF_DETERMINISTIC_",
    "TF_DISABLE_",
    "TF_ENABLE_",
    "TF_GPU_",
    "TF_XLA_",
    "XLA_",
)
# Those of which a record may have a say, with the values that it may give them. Others, such as
# XLA_FLAGS, can have files written anywhere.
_ADOPTABLE = {
    _ONEDNN: "[01]|(?i:true|false)",
    "ONEDNN_MAX_CPU_ISA": "[A-Z0-9_]{1,40}",
    _DETERMINISTIC: "[01]",
    "NVIDIA_TF32_OVERRIDE": "[01]",
    "OMP_NUM_THREADS": "[1-9][0-9]{0,3}",
}
_EPSILON = "keras.epsilon"
_KERAS = {
    "keras.backend": "tensorflow",
    "keras.floatx": "float32",
    "keras.image_data_format": "channels_last",
    _EPSILON: "1e-07",
}

_taken: dict[str, str] | None = None  # None: TensorFlow was not imported by this package


def choose(*, ours: bool) -> None:
    """Sets what nobody set, before TensorFlow is imported.

    Args:
        ours: whether the process is a command of ours: Keras then has its own defaults, whatever
            the user's file says, which is for other programs.
    """
    if processor.flags() & _ONEDNN_FLAGS and not os.environ.get(_ONEDNN):
        os.environ[_ONEDNN] = "1"
    if cuda.visible():
        os.environ.setdefault(_DETERMINISTIC, "1")
    if ours:
        if (home := os.environ.get(_KERAS_HOME)) != os.devnull:
            os.environ[_HIDDEN_HOME] = home or ""
        os.environ |= {"KERAS_BACKEND": _KERAS["keras.backend"], _KERAS_HOME: os.devnull}


def keras_home() -> Path:
    """Returns the user's folder of Keras, which `choose` hides from Keras itself."""
    named = os.environ.get(_KERAS_HOME)
    if named == os.devnull:
        named = os.environ.get(_HIDDEN_HOME)
    return Path(named or "~/.keras").expanduser()


def onednn() -> bool:
    """Whether TensorFlow has oneDNN's kernels here, or will have."""
    value = (_variables() if _taken is None else _taken).get(_ONEDNN)
    if not value:
        return bool(processor.flags() & _ONEDNN_FLAGS)
    return value.lower() in _ON


def taken() -> None:
    """Keeps what TensorFlow is being imported with: it reads no variable later."""
    global _taken  # noqa: PLW0603 - so it is with TensorFlow itself
    _taken = _variables()


def adopt(recorded: Mapping[str, Any]) -> None:
    """Sets what a run was made with and nobody set here, before TensorFlow is imported.

    Args:
        recorded: by `settings`; anybody may have written it.
    """
    if "tensorflow" in sys.modules:
        return
    for name, values in _ADOPTABLE.items():
        value = recorded.get(name)
        if isinstance(value, str) and re.fullmatch(values, value):
            os.environ.setdefault(name, value)


def settings(*, ours: bool) -> dict[str, str]:
    """Returns what is set or chosen, by name.

    Args:
        ours: whether the process is a command of ours; see `choose`.
    """
    if "tensorflow" not in sys.modules:
        choose(ours=ours)
    variables = _variables() if _taken is None else _taken
    return dict(sorted({**variables, **(_KERAS if ours else _of_keras())}.items()))


def require_keras() -> None:
    """Checks Keras's defaults in a program that is not a command of ours.

    Raises:
        RequestError: no run can be made with them.
    """
    found = _of_keras()
    if {**found, _EPSILON: _KERAS[_EPSILON]} != _KERAS:
        raise RequestError(
            f"Expected Keras with {_in_words(_KERAS)}. Received: {_in_words(found)}, from its file "
            "keras.json, from KERAS_BACKEND, or set by the program. Set it back, or run the "
            "experiment by the command mnist-exp, which has Keras's own defaults."
        )


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}


def _of_keras() -> dict[str, str]:
    import keras

    return {name: str(getattr(keras.config, name.removeprefix("keras."))()) for name in _KERAS}


def _in_words(settings: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name.removeprefix('keras.')} {value}"
        for name, value in settings.items()
        if name != _EPSILON
    )
