"""Where the code of a run comes from: its digest, its commit, its changes, its packages."""

import hashlib
import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# Beside the package in a checkout, and only there.
_CODE = ("mnist_exp", "hydra_plugins", "conf", "pyproject.toml")
_DIST_INFO = ".dist-info"
# What a logged model needs to be loaded and served.
_MODEL_PACKAGES = ("keras", "tensorflow", "numpy")


@dataclass(frozen=True)
class Code:
    """The code as it is now."""

    sha256: str  # over the sorted paths and the bytes of the package's and the plugins' .py
    commit: str | None  # None outside a checkout
    diff: str  # what differs from the commit, new files too; empty where nothing does


def code() -> Code:
    """Looks at the code that runs."""
    commit = _git("rev-parse", "HEAD") if _is_checkout() else None
    return Code(_digest(), commit.strip() if commit else None, _diff() if commit else "")


def packages() -> list[str]:
    """Returns every installed package as `name==version`, sorted.

    The names of the `.dist-info` folders say it; reading what is inside takes 30 times as long.
    """
    found: dict[str, str] = {}
    for folder in map(Path, sys.path):
        for info in folder.glob(f"*{_DIST_INFO}"):
            name, _, version = info.name.removesuffix(_DIST_INFO).rpartition("-")
            found.setdefault(name.replace("_", "-").lower(), version)
    return sorted(f"{name}=={version}" for name, version in found.items())


def model_requirements() -> list[str]:
    """Returns what pip needs to load a logged model, at today's versions."""
    return [f"{name}=={importlib.metadata.version(name)}" for name in _MODEL_PACKAGES]


def _digest() -> str:
    digest = hashlib.sha256()
    for folder in (PACKAGE, PACKAGE.parent / "hydra_plugins" / "mnist_exp_sweeps"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(PACKAGE.parent).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_checkout() -> bool:
    """Whether git tracks this very package; a venv within somebody's repository does not count."""
    return bool(_git("ls-files", "--", "mnist_exp/__init__.py"))


def _diff() -> str:
    changes = _git("diff", "--binary", "HEAD") or ""
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE) or ""
    for name in filter(None, new.split("\0")):
        # Differences are what --no-index reports by a status of 1.
        changes += _git("diff", "--binary", "--no-index", "--", "/dev/null", name, status=1) or ""
    return changes


def _git(*arguments: str, status: int = 0) -> str | None:
    """Returns what git prints about the checkout, or None where it answers otherwise."""
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    try:
        # The command is git with arguments of this module's own; nothing of a user's gets in.
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == status else None
