"""Launchers that come with an extra of this package: whether they are installed."""

import importlib.util
from collections.abc import Iterable

from mnist_exp.core.errors import RequestError

_OPTION = "hydra/launcher="
# Option -> the plugin that it needs, and the extra that installs it.
EXTRAS = {
    "ray": ("hydra_plugins.hydra_ray_launcher", "ray"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
}


def require(overrides: Iterable[str]) -> None:
    """Checks that the launcher which overrides choose is installed.

    Raises:
        RequestError: it is not.
    """
    for override in overrides:
        plugin, extra = EXTRAS.get(override.removeprefix(_OPTION), ("", ""))
        if not override.startswith(_OPTION) or not plugin:
            continue
        if importlib.util.find_spec(plugin) is None:
            raise RequestError(
                f"Expected {override} to be installed. Received: an installation without it. Add "
                f"it with `pip install 'mnist-exp[{extra}]'`."
            )
