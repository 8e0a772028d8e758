"""The GPUs of NVIDIA's that a process started now may use, told without TensorFlow."""

import itertools
import os
import re
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia")
_INDEX = re.compile(r"[0-9]+")
_UUID = re.compile(r"(GPU|MIG)-\S+")
_VERSION = re.compile(r"\s([0-9]+(?:\.[0-9]+)+)\s")


def visible() -> list[str]:
    """Returns the GPUs as CUDA_VISIBLE_DEVICES has them.

    TensorFlow may be unable to use them.
    """
    folder = _DRIVER / "gpus"  # holds a folder for each
    there = len(list(folder.iterdir())) if folder.is_dir() else 0
    named = os.environ.get(VARIABLE)
    if named is None:
        return [str(index) for index in range(there)]

    def is_valid(entry: str) -> bool:
        if _INDEX.fullmatch(entry):
            return there == 0 or int(entry) < there  # 0: not every system has the folder
        return _UUID.fullmatch(entry) is not None

    # CUDA reads up to the first entry that is none, such as -1.
    return list(itertools.takewhile(is_valid, map(str.strip, named.split(","))))


def driver() -> str:
    """Returns the version of the driver, such as 570.86.15; "unknown" where it does not say."""
    try:
        text = (_DRIVER / "version").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = _VERSION.search(text)
    return found[1] if found else "unknown"
