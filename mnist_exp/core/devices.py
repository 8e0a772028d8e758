"""The GPUs of a process: those that CUDA would give it, and those that TensorFlow finds."""

import contextlib
import itertools
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from mnist_exp.core import tensorflow_setup

VARIABLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")  # holds a folder for each GPU
_INDEX = re.compile(r"[0-9]+")
_UUID = re.compile(r"(GPU|MIG)-\S+")


class Gpu(NamedTuple):
    """What TensorFlow knows of a GPU."""

    name: str
    capability: tuple[int, int]  # CUDA's compute capability; (0, 0) where it is not known


def visible() -> list[str]:
    """Returns the NVIDIA GPUs that a process started now may use, as CUDA_VISIBLE_DEVICES has them.

    TensorFlow is not imported for it, and may be unable to use them: see `usable`.
    """
    there = len(list(_DRIVER.iterdir())) if _DRIVER.is_dir() else 0
    named = os.environ.get(VARIABLE)
    if named is None:
        return [str(index) for index in range(there)]

    def is_valid(entry: str) -> bool:
        if _INDEX.fullmatch(entry):
            return there == 0 or int(entry) < there  # 0: not every system has the folder
        return _UUID.fullmatch(entry) is not None

    # CUDA reads up to the first entry that is none, such as -1.
    return list(itertools.takewhile(is_valid, map(str.strip, named.split(","))))


def usable() -> list[Any]:
    """Returns TensorFlow's GPUs; without CUDA's libraries it has none.

    TensorFlow is imported only where `visible` names any.
    """
    if not visible():
        return []
    found: list[Any] = tensorflow_setup.tensorflow().config.list_physical_devices("GPU")
    return found


def first() -> Gpu | None:
    """Returns the GPU that a run computes on; None where it computes on the processor."""
    gpus = usable()
    if not gpus:
        return None
    details = tensorflow_setup.tensorflow().config.experimental.get_device_details(gpus[0])
    return Gpu(details.get("device_name", "GPU"), details.get("compute_capability", (0, 0)))


def let_memory_grow() -> None:
    """Has TensorFlow take memory of GPUs as it needs it, not all of it, unless it has begun."""
    for gpu in usable():
        with contextlib.suppress(RuntimeError, ValueError):  # it has begun, or a program chose
            tensorflow_setup.tensorflow().config.experimental.set_memory_growth(gpu, True)
