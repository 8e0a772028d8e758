"""The processor of this machine, as the system tells of it."""

import os
from pathlib import Path


def flags() -> set[str]:
    """Returns its feature flags as Linux names them; empty on other systems."""
    return set(info().get("flags", "").split())


def info() -> dict[str, str]:
    """Returns the first processor's entries of Linux's list; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
