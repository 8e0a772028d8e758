"""What Hydra's own completion knows of overrides: groups, options, keys and their values."""

import contextlib
import io
import os
from collections.abc import Sequence

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.config.hydra import CONFIG_NAME, config_loader, version_base
from mnist_exp.config.hydra_internal import flag_values, get_args_parser, print_completions
from mnist_exp.core.errors import RequestError


def complete(words: Sequence[str], incomplete: str) -> list[str]:
    """Returns the overrides that begin so; none where the words before make no sense.

    Args:
        words: what stands before, behind `train`; behind a flag that takes a value, those it takes.
        incomplete: the beginning of a word; of values with commas, the last is completed.
    """
    of_flag = flag_values(words[-1]) if words else None
    if of_flag is not None:
        return [value for value in of_flag if value.startswith(incomplete)]
    if incomplete.startswith("++"):  # of a key; Hydra takes no group so
        keys = complete(words, incomplete[2:])
        return [f"++{one}" for one in keys if "." in one or f"{one[:-1]}." not in keys]
    key, equals, value = incomplete.partition("=")
    earlier, comma, last = value.rpartition(",")
    asked = f"{key}{equals}{last}"
    found = _ask_hydra([*words, asked])
    if "." in key:
        found = _known_to_the_schema(key, asked, found)
    given = f"{key}{equals}{earlier}{comma}"
    return [given + match.removeprefix(f"{key}{equals}") for match in found if match != asked]


def _known_to_the_schema(key: str, asked: str, found: Sequence[str]) -> list[str]:
    """Returns Hydra's answers for a key within a section, corrected.

    Hydra takes a list for a section, and knows of a value only what it is now.
    """
    from mnist_exp.config.keys import named_values, takes_list

    answers = [f"{one[:-1]}=" if takes_list(one.removesuffix(".")) else one for one in found]
    if "=" in asked:
        values = (f"{key}={value}" for value in named_values(key))
        answers += [value for value in values if value.startswith(asked)]
    return list(dict.fromkeys(answers))


def _ask_hydra(words: Sequence[str]) -> list[str]:
    """Returns Hydra's answers for the last word, which Hydra prints for a shell to read."""
    os.environ["COMP_LINE"] = " ".join(["mnist-exp", *words])
    answers = io.StringIO()
    # Hydra's parser prints and exits where a flag makes no sense.
    silence = contextlib.redirect_stderr(io.StringIO())
    nothing = contextlib.suppress(HydraException, OmegaConfBaseException, RequestError, SystemExit)
    with nothing, silence, contextlib.redirect_stdout(answers), version_base():
        flags, _ = get_args_parser().parse_known_intermixed_args(list(words))
        loader = config_loader(flags.config_dir, flags.config_path)
        print_completions(loader, flags.config_name or CONFIG_NAME)
    return [match for match in answers.getvalue().split() if match.startswith(words[-1])]
