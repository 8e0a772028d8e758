"""A server and a browser for each module: a page that stays open asks the server for ever."""

import browsers
import pytest
from invoke import mnist_exp
from pads import opened, serving
from projects import SMOKE, copied


@pytest.fixture(scope="session")
def project(fast, tmp_path_factory):
    """A folder with a run that was trained on MNIST for seconds, and a weaker one."""
    folder = copied(fast, tmp_path_factory.mktemp("project"))
    mnist_exp(folder, "train", "data=digits", "model=mlp", *SMOKE, check=True)
    return folder


@pytest.fixture(scope="module")
def server(project):
    """A server that tests share: its address and process; the weaker run may be chosen beside."""
    with serving(project, "best") as (address, process):
        yield address, process


@pytest.fixture(scope="module")
def address(server):
    return server[0]


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium(1200, 950) as browser:
        yield browser


@pytest.fixture
def page(chromium, address):
    """The page, just opened."""
    return opened(chromium, address)
