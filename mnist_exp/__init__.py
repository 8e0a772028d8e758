"""A Hydra-configured experiment framework for handwritten-digit recognition.

`import mnist_exp` is light; `mnist_exp.run` loads what it needs when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_exp.api import run as run

    __version__: str

__all__ = ["__version__", "run"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Loads `run` and looks up `__version__` on first use."""
    if name == "run":
        from mnist_exp.api import run

        return run
    if name == "__version__":
        from importlib.metadata import version

        return version("mnist-exp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
