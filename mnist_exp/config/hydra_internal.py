"""What of Hydra has no public way, and what differs between its versions 1.3 and 1.4.

Nothing else imports `hydra._internal`, which may change.
"""

import traceback
from collections.abc import Sequence
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.override_parser.types import Override
from hydra.version import _UNSPECIFIED_
from omegaconf import DictConfig, OmegaConf

__all__ = [
    "VERSION_BASE",
    "Callbacks",
    "ConfigLoaderImpl",
    "apply_override",
    "being_read",
    "combinations",
    "create_config_search_path",
    "flag_values",
    "get_args_parser",
    "print_completions",
    "register_resolver",
    "search",
]

_IS_1_3 = hydra.__version__.startswith("1.3.")
# Whose defaults hold: Hydra 1.4 warns of whoever says it, and 1.3 of whoever does not.
VERSION_BASE: Any = "1.3" if _IS_1_3 else _UNSPECIFIED_
register_resolver: Any = OmegaConf.register_new_resolver if _IS_1_3 else OmegaConf.register_resolver


def apply_override(override: Override, cfg: DictConfig) -> None:
    """Sets, adds or deletes a value in a composed config.

    Raises:
        HydraException: it does not fit the config.
    """
    ConfigLoaderImpl._apply_overrides_to_config([override], cfg)  # noqa: SLF001


def search(loader: ConfigLoaderImpl, config_name: str, overrides: Sequence[str]) -> None:
    """Has a loader look for options where `hydra.searchpath` says too, as Hydra does for itself.

    Args:
        loader: which then has these folders among its sources.
        config_name: the primary config, which may say it.
        overrides: those that say it.

    Raises:
        HydraException: it is no list of texts.
    """
    found = loader._parse_overrides_and_create_caching_repo(config_name, list(overrides))  # noqa: SLF001
    loader.repository = found[1].delegate


def flag_values(flag: str) -> list[str] | None:
    """Returns what a flag of Hydra's takes, nothing where that is free; None where no value."""
    for action in get_args_parser()._actions:  # noqa: SLF001
        if flag in action.option_strings:
            return None if action.nargs == 0 else list(action.choices or ())
    return None


def being_read(error: BaseException) -> str:
    """Returns the config file that Hydra was reading when an error came."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    paths = [frame.f_locals.get("full_path") for frame in frames]  # of its FileConfigSource
    return next((str(path) for path in reversed(paths) if path), "a config file")


# Plugins are imported late: Hydra imports them anew when it looks for them, and a class that was
# there before is another one, which no launcher can pickle.
def combinations(overrides: Sequence[Override]) -> list[list[str]]:
    """Returns every combination of overrides with several values, as Hydra's own sweeper has it.

    Raises:
        HydraException: they cannot be combined.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    jobs: list[list[str]] = BasicSweeper.split_arguments(list(overrides), None)[0]
    return jobs


def print_completions(loader: ConfigLoaderImpl, config_name: str) -> None:
    """Prints what Hydra's completion answers to the command line in the environment."""
    from hydra._internal.core_plugins.bash_completion import BashCompletion

    BashCompletion(loader).query(config_name)
