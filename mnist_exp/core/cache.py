"""Where the package keeps what it can have again, such as data that it fetched."""

import os
from pathlib import Path


def folder(name: str) -> Path:
    """Returns a folder in the user's cache: below $XDG_CACHE_HOME, else ~/.cache."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(chosen) if Path(chosen).is_absolute() else Path("~/.cache").expanduser()
    return base / "mnist_exp" / name
