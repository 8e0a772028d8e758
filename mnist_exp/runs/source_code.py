"""Where the code of a run comes from: its digest, its commit, its changes, its packages."""

import hashlib
import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Beside the package in a checkout, and only there.
_CODE = ("mnist_exp", "hydra_plugins", "conf", "pyproject.toml")
# What the weights of a run can depend on.
COMPUTING = ("tensorflow", "keras", "numpy", "ml-dtypes", "scipy", "scikit-learn")
# What a logged model needs to be loaded and served.
_MODEL_PACKAGES = ("keras", "tensorflow", "numpy")


@dataclass(frozen=True)
class Code:
    """The code as it is now."""

    sha256: str  # over the sorted paths and the bytes of the package's and the plugins' .py
    commit: str | None  # None outside a checkout
    diff: str  # what differs from the commit, new files too; empty where nothing does
    files: dict[str, str]  # path, with slashes, -> SHA-256, of the same .py


def code(root: Path = PACKAGE.parent) -> Code:
    """Looks at the code that runs.

    Args:
        root: the folder that holds the package; another one for the code of another time.
    """
    commit = _git(root, "rev-parse", "HEAD") if _is_checkout(root) else None
    digest, files = _digests(root)
    return Code(digest, commit.strip() if commit else None, _diff(root) if commit else "", files)


def sha256() -> str:
    """Returns the digest of the code that runs, without a look at git."""
    return _digests(PACKAGE.parent)[0]


def packages() -> list[str]:
    """Returns every installed package as `name==version`, sorted.

    The names of the folders say it; reading what is inside takes 30 times as long. An older pip
    without wheel leaves `name-version-py3.11.egg-info` of what it builds, not a `.dist-info`.
    """
    found: dict[str, str] = {}
    for folder in map(Path, sys.path):
        for info in [*folder.glob("*-*.dist-info"), *folder.glob("*-*.egg-info")]:
            name, version = info.stem.split("-")[:2]
            found.setdefault(name.replace("_", "-").lower(), version)
    return sorted(f"{name}=={version}" for name, version in found.items())


def computing_packages() -> list[str]:
    """Returns those of `COMPUTING` that are installed, as `packages` does."""
    return [line for line in packages() if line.partition("==")[0] in COMPUTING]


def model_requirements() -> list[str]:
    """Returns what pip needs to load a logged model, at today's versions."""
    return [f"{name}=={importlib.metadata.version(name)}" for name in _MODEL_PACKAGES]


def _digests(root: Path) -> tuple[str, dict[str, str]]:
    """Returns the SHA-256 over all code, and that of each file."""
    digest, files = hashlib.sha256(), {}
    for folder in (root / PACKAGE.name, root / "hydra_plugins" / "mnist_exp_sweeps"):
        for file in sorted(folder.rglob("*.py")):
            path, content = file.relative_to(root).as_posix(), file.read_bytes()
            digest.update(path.encode() + b"\0")
            digest.update(content + b"\0")
            files[path] = hashlib.sha256(content).hexdigest()
    return digest.hexdigest(), files


def _is_checkout(root: Path) -> bool:
    """Whether git tracks this very package; a venv within somebody's repository does not count."""
    return bool(_git(root, "ls-files", "--", "mnist_exp/__init__.py"))


def _diff(root: Path) -> str:
    changes = _git(root, "diff", "--binary", "HEAD") or ""
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE) or ""
    for name in filter(None, new.split("\0")):
        # Differences are what --no-index reports by a status of 1.
        changes += (
            _git(root, "diff", "--binary", "--no-index", "--", "/dev/null", name, status=1) or ""
        )
    return changes


def _git(root: Path, *arguments: str, status: int = 0) -> str | None:
    """Returns what git prints about a checkout, or None where it answers otherwise."""
    command = ["git", "-C", str(root), *arguments]
    try:
        # The command is git with arguments of this module's own; nothing of a user's gets in.
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == status else None
