"""What Hydra's own completion knows of overrides: groups, options, keys and their values."""

import contextlib
import io
import os
from collections.abc import Sequence
from itertools import pairwise

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.config.hydra import CONFIG_NAME, config_loader, version_base
from mnist_exp.config.hydra_internal import print_completions


def complete(words: Sequence[str], incomplete: str) -> list[str]:
    """Returns the overrides that begin so; none where the words before make no sense.

    Args:
        words: what stands before, behind `train`.
        incomplete: the beginning of a word; of values with commas, the last is completed.
    """
    key, equals, value = incomplete.partition("=")
    earlier, comma, last = value.rpartition(",")
    asked = f"{key}{equals}{last}"
    found = _ask_hydra([*words, asked], _config_dir(words))
    if "." in key:
        found = _known_to_the_schema(key, asked, found)
    given = f"{key}{equals}{earlier}{comma}"
    return [given + match.removeprefix(f"{key}{equals}") for match in found if match != asked]


def _known_to_the_schema(key: str, asked: str, found: Sequence[str]) -> list[str]:
    """Returns Hydra's answers for a key within a section, corrected.

    Hydra takes a list for a section, and knows of a value only what it is now.
    """
    from mnist_exp.config.validate import named_values, takes_list

    answers = [f"{one[:-1]}=" if takes_list(one.removesuffix(".")) else one for one in found]
    if "=" in asked:
        values = (f"{key}={value}" for value in named_values(key))
        answers += [value for value in values if value.startswith(asked)]
    return list(dict.fromkeys(answers))


def _config_dir(words: Sequence[str]) -> str | None:
    for flag, value in pairwise(words):
        if flag in ("--config-dir", "-cd"):
            return value
    return None


def _ask_hydra(words: Sequence[str], config_dir: str | None) -> list[str]:
    """Returns Hydra's answers for the last word, which Hydra prints for a shell to read."""
    os.environ["COMP_LINE"] = " ".join(["mnist-exp", *words])
    answers = io.StringIO()
    # Hydra's parser prints and exits where a flag makes no sense.
    silence = contextlib.redirect_stderr(io.StringIO())
    nothing = contextlib.suppress(HydraException, OmegaConfBaseException, SystemExit)
    with nothing, silence, contextlib.redirect_stdout(answers), version_base():
        print_completions(config_loader(config_dir), CONFIG_NAME)
    return [match for match in answers.getvalue().split() if match.startswith(words[-1])]
