"""Overrides, and the command line that trains a run again."""

import re
import shlex
from collections.abc import Iterable

from mnist_exp.core import processor
from mnist_exp.core.text import without_password

AS_A_RUN = "hydra.mode=RUN"  # for a config that says that it is a sweep
# What steers a sweep and means nothing to a single run.
_SWEEP_ONLY = ("hydra", "sweep", "search")
_THREADS = "training.threads"


def train_command(arguments: Iterable[str], threads: int | None = None) -> str:
    """Returns the command that trains a single run, for a shell.

    Args:
        arguments: flags and overrides as typed; what only a sweep understands is left out.
        threads: that the run had, which its weights depend on: a launcher may have set them. They
            are named where they were typed, or are not those that a run takes here. None: unknown.
    """
    words = list(filter(_of_a_run, arguments))
    others = [text for text in words if key_of(text) != _THREADS]
    if threads is not None and (others != words or threads != processor.cores()):
        words = [*others, f"{_THREADS}={threads}"]
    return without_password(" ".join(["mnist-exp", "train", *map(_quoted, words)]))


def _quoted(argument: str) -> str:
    """Returns an argument as a shell takes it, in double quotes where it holds single ones."""
    if "'" in argument and not set(r'"$`\!') & set(argument):
        return f'"{argument}"'
    return shlex.quote(argument)


def _of_a_run(override: str) -> bool:
    alone = override == AS_A_RUN
    return alone or re.split(r"[./]", key_of(override))[0] not in _SWEEP_ONLY


def key_of(override: str) -> str:
    """Returns the key that an override sets, without a leading `+`."""
    return override.partition("=")[0].lstrip("+")
