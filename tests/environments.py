"""Python environments that do not hold this project."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def empty(folder: Path, *, with_dependencies: bool) -> Path:
    """Makes an environment that holds nothing, and returns its Python; see `install`.

    Args:
        folder: which does not exist.
        with_dependencies: whether it sees the packages that are installed already, by a .pth file:
            installing them again would take minutes and a network. Files named in a .pth file are
            not read as such, so the editable install of this checkout, which is one, stays out of
            sight.
    """
    venv.create(folder)
    if with_dependencies:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "lib" / version / "site-packages"
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def install(python: Path, *what: str | Path) -> None:
    """Installs packages into an environment, by the pip that is here.

    Args:
        python: of the environment.
        *what: options and requirements, as `pip install` takes them.
    """
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, *what], check=True)
