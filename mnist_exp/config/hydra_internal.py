"""What of Hydra has no public way, and what differs between its versions 1.3 and 1.4.

Nothing else imports `hydra._internal`, which may change.
"""

from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.version import _UNSPECIFIED_
from omegaconf import OmegaConf

__all__ = [
    "VERSION_BASE",
    "BashCompletion",
    "BasicSweeper",
    "Callbacks",
    "ConfigLoaderImpl",
    "create_config_search_path",
    "get_args_parser",
    "register_resolver",
]

_IS_1_3 = hydra.__version__.startswith("1.3.")
# Whose defaults hold: Hydra 1.4 warns of whoever says it, and 1.3 of whoever does not.
VERSION_BASE: Any = "1.3" if _IS_1_3 else _UNSPECIFIED_
register_resolver: Any = OmegaConf.register_new_resolver if _IS_1_3 else OmegaConf.register_resolver
