"""The fit of a command without its record, to tell what recording costs it."""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import variables

LIMIT = 1.02  # of the fit with the record, in times of that without


def fit_seconds(overrides: tuple[str, ...]) -> float:
    """Trains without a record, in a fresh process.

    Args:
        overrides: of `mnist-exp train`.

    Returns:
        The time of fit.
    """
    done = subprocess.run(
        (sys.executable, __file__, *overrides),
        env=variables(),
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout))


def main() -> None:
    """Trains as `mnist-exp train` does, in this process, and prints the seconds of fit."""
    from mnist_exp import cli, data
    from mnist_exp.config.compose import compose
    from mnist_exp.core import hardware, tensorflow_setup
    from mnist_exp.runs import environment

    gc.set_threshold(cli.COLLECTION_THRESHOLD)
    tensorflow_setup.ours = True
    config = environment.settled(compose(sys.argv[1:]).config)
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    hardware.start_tensorflow(config.training.threads, config.training.device)
    from mnist_exp.training import build, loop

    with tempfile.TemporaryDirectory(prefix="mnist-exp-benchmark-") as folder:
        fit = loop.fit(
            build.task(config, splits),
            checkpoint_file=Path(folder, "last.npz"),
            best_weights=config.training.best_weights,
            early_stopping_patience=config.training.early_stopping_patience,
        )
    print(json.dumps(fit.seconds))


if __name__ == "__main__":
    main()
