"""The commands that faults befall, the folders they are given in, and what they leave there."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import idx_files
from invoke import mnist_exp

from faults.checks import Identity, Result, results
from faults.kinds import DATA
from mnist_exp import data
from mnist_exp.tracking import journal

_OWN = ("data=idx", f"data.root={DATA}", "data.validation_images=200")
_SMALL = ("train", *_OWN, "training=smoke", "model=seed_mlp", "training.epochs=12")
_SWEEP = (*_SMALL, "-m", "seed=0,1,2")
WORKS = {
    "run": (*_SMALL, "seed=3"),
    "sweep": _SWEEP,
    "parallel sweep": (*_SWEEP, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2"),
    "ensemble": (*_SMALL, "ensemble.members=2", "seed=4"),
}
# And, where it is asked for, one on real MNIST.
_MNIST = ("train", "data=mnist", "model=seed_mlp", "training.epochs=12", "training.batch_size=500")
ALL = WORKS | {"MNIST run": (*_MNIST, "seed=3")}


@dataclass
class Baseline:
    """What a command leaves that nothing disturbs."""

    results: Mapping[Identity, Result]
    told: bytes  # all journals


def baseline(folder: Path, command: tuple[str, ...]) -> Baseline:
    """Runs a command to its end, in a new folder."""
    folder.mkdir()
    made = project(folder)
    mnist_exp(made, *command, env=environment(folder), check=True)
    found = results(made / "mlflow.db", "mnist")
    return Baseline({run.identity: run for run in found if not run.is_sweep}, told(made))


def project(folder: Path) -> Path:
    """Makes a folder for commands, with the data of those that have their own: 1,797 digits."""
    made = folder / "project"
    splits = data.load_whole("digits")
    idx_files.write(made / DATA, train=splits.train, test=splits.test)
    return made


def told(project: Path) -> bytes:
    """Returns all that the journals of a project say, behind each other."""
    found = []
    for folder, _, files in os.walk(project / "outputs"):  # which minds no folder that goes
        if journal.FILE_NAME in files:
            with contextlib.suppress(OSError):
                found.append(Path(folder, journal.FILE_NAME).read_bytes())
    return b"".join(found)


def environment(folder: Path) -> dict[str, str]:
    """Returns an environment without settings, and with a home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "XDG_", "HYDRA_"))}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
