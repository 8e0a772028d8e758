"""The folders of the user's own components, as Hydra wants them."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ComponentsSearchPath(SearchPathPlugin):
    """Has Hydra search beside the components of the user's own, in configs of mnist_exp alone."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds the folders, after conf/: they add options."""
        from mnist_exp.config import places
        from mnist_exp.config.hydra import config_folder

        paths = {str(entry.path).removeprefix("file://") for entry in search_path.get_path()}
        if str(config_folder()) in {str(Path(path)) for path in paths}:
            for folder in places.config_folders():
                search_path.append(provider="components", path=f"file://{folder}")
