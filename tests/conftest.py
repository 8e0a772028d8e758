"""The sealed test environment: each test in a folder of its own, with no settings from outside."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# Made absolute before any test changes folder; CI names it relative to the checkout.
DATASETS = Path(os.environ.get("MNIST_EXP_DATA", REPOSITORY.parent / "shared" / "datasets"))
DATASETS = DATASETS if DATASETS.is_absolute() else (REPOSITORY / DATASETS).resolve()


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder that holds `mnist/`."""
    return DATASETS


@pytest.fixture(scope="session", autouse=True)
def sealed_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clears every variable that could steer a run, for what a module's tests share."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("MLFLOW_", "HYDRA_", "MNIST_EXP_", "XDG_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("MNIST_EXP_DATA", str(DATASETS))
        # The list of fonts takes seconds to make and steers nothing.
        patch.setenv("MPLCONFIGDIR", str(home / "matplotlib"))
        yield


@pytest.fixture(autouse=True)
def sealed_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Moves the test to an empty folder, with an empty home."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.chdir(work)
    return work
