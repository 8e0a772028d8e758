"""The sealed test environment: each test in a folder of its own, with no settings from outside."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import empty_store
import forks
import pytest
from gallery import Gallery
from invoke import mnist_exp
from projects import ENSEMBLE, SMALL, SWEEP, copied
from tiers import Tiers

from mnist_exp.core import numerics, sidecar

REPOSITORY = Path(__file__).resolve().parent.parent
# Made absolute before any test changes folder; CI names it relative to the checkout.
DATASETS = Path(os.environ.get("MNIST_EXP_DATA", REPOSITORY.parent / "shared" / "datasets"))
DATASETS = DATASETS if DATASETS.is_absolute() else (REPOSITORY / DATASETS).resolve()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the choice of tiers."""
    parser.addoption("--all", action="store_true", help="run what takes long, too")


def pytest_configure(config: pytest.Config) -> None:
    """Makes Ctrl-C what it is in a shell, and a place for the warm interpreter."""
    config.pluginmanager.register(Tiers(everything=config.getoption("all")))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # `scripts/test &` has it ignored
    numerics.choose(ours=True)  # some tests import TensorFlow themselves
    if not (hasattr(config, "workerinput") or forks.has_place()):
        stack = ExitStack()
        stack.enter_context(forks.place())
        config.add_cleanup(stack.close)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Numbers bytes, which hold the time of an archive, where every worker must find the same name.

    A long text is cut to its first words, so that a list of tests can be read.
    """
    if isinstance(val, bytes):
        return argname
    return f"{val[:40]}..." if isinstance(val, str) and len(val) > 60 else None


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder that holds `mnist/`."""
    return DATASETS


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Trained runs that tests share."""
    return Gallery(tmp_path_factory)


@pytest.fixture(scope="session")
def fast(gallery: Gallery) -> Path:
    """A folder with a run of `experiment=fast`, on MNIST."""
    return gallery.once("fast", lambda f: mnist_exp(f, "train", "experiment=fast", check=True))


@pytest.fixture(scope="session")
def small(gallery) -> Path:
    """A folder with one run."""
    return gallery.once("small", lambda f: mnist_exp(f, "train", *SMALL, check=True))


@pytest.fixture
def one_run(small, tmp_path) -> Path:
    """A folder with one run, which this test may change."""
    return copied(small, tmp_path / "one_run")


@pytest.fixture
def swept(gallery, tmp_path) -> Path:
    """A folder with a sweep of two seeds (`projects.SWEEP`), which this test may change."""
    finished = gallery.once("swept", lambda f: mnist_exp(f, *SWEEP, check=True))
    return copied(finished, tmp_path / "swept")


@pytest.fixture(scope="session")
def ensemble(gallery: Gallery) -> Path:
    """A folder with an ensemble and its members."""
    return gallery.once("ensemble", lambda f: mnist_exp(f, "train", *ENSEMBLE, check=True))


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
        empty_store.remember()
        if forks.has_place():  # what runs here, in this process, has none to import for it either
            patch.setattr(sidecar, "subprocess", forks.AS_SUBPROCESS)
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
