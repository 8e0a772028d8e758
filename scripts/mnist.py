"""Looks for MNIST, downloads it if it is nowhere, and prints the folder for MNIST_EXP_DATA.

For scripts that go on without it: one quick attempt, and a message on stderr with exit code 1.
"""

import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mnist_exp import data
from mnist_exp.config.compose import compose
from mnist_exp.core.errors import ExperimentError, RequestError

QUICK = ["data=mnist", "data.attempts=1", "data.timeout_seconds=10"]


def main() -> int:
    """Reads MNIST as `mnist-exp train` does.

    Returns:
        The exit code: 0, or 1 without MNIST.
    """
    config = compose(QUICK).config
    try:
        splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    except (RequestError, ExperimentError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    place = Path(url2pathname(urlparse(splits.source).path))
    print(place.parent if place.name in ("mnist", "mnist.npz") else place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
