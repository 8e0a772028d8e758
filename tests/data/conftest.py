"""Real MNIST, and a mirror of it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mirrors import Mirror


@pytest.fixture
def mnist_folder() -> Path:
    return Path(os.environ["MNIST_EXP_DATA"]) / "mnist"


@pytest.fixture
def mirror(mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Mirror(mnist_folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
