"""Who takes part in the frontier: every recipe of conf/experiment, and benchmarks/peers.

What is fixed before any run is settled here: the commands, the precision, and the multiplications
and additions that an image costs.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from frontier_results import Result
from measuring import MNIST_EXP
from peers import keras_fit

from mnist_exp import data
from mnist_exp.config.compose import compose
from mnist_exp.runs import environment
from mnist_exp.training import build

SCRIPTS = Path(__file__).resolve().parent
PEERS = SCRIPTS / "peers"
QUICK_IMAGES = 6000


@dataclass(frozen=True)
class Contender:
    """One that takes part, before its first run."""

    result: Result  # without runs
    command: tuple[str, ...]  # with {seed} where the number goes

    def arguments(self, seed: int) -> tuple[str, ...]:
        """Returns the command of a run."""
        return tuple(part.replace("{seed}", str(seed)) for part in self.command)


@dataclass(frozen=True)
class Setting:
    """What all of them share."""

    folder: Path
    dataset: str  # an option of conf/data
    quick: bool
    torch_python: str

    @property
    def images(self) -> Path:
        """Returns the file that the peers read."""
        return self.folder / "images.npz"

    @property
    def overrides(self) -> tuple[str, ...]:
        """Returns what is set in every recipe."""
        chosen = () if self.dataset == "mnist" else (f"data={self.dataset}",)
        if not self.quick:
            return chosen
        fewer = (f"data.train_images={QUICK_IMAGES}",) if self.dataset == "mnist" else ()
        return (*chosen, "training.epochs=1", *fewer)


def ours(name: str, overrides: Sequence[str], setting: Setting) -> Contender:
    """Returns a recipe, or any other config.

    Args:
        name: as `--only` has it.
        overrides: of `mnist-exp train`.
        setting: what all share.

    Raises:
        ConfigError: it does not compose.
    """
    config = compose((*overrides, *setting.overrides)).config
    result = Result(
        name=name,
        title=" ".join(overrides),
        ours=True,
        precision=environment.settled(config).training.precision,
        training_multiply_adds=training_multiply_adds(build.network(config)),
    )
    return Contender(result, (MNIST_EXP, "train", *overrides, *setting.overrides, "seed={seed}"))


def keras_peer(name: str, title: str, setting: Setting) -> Contender:
    """Returns a peer in plain Keras.

    Args:
        name: as `--only` has it, and benchmarks/peers/keras_fit.py.
        title: as the table calls it.
        setting: what all share.
    """
    network = keras_fit.PEERS[name].network()
    result = Result(
        name,
        title,
        ours=False,
        precision="float32",
        training_multiply_adds=training_multiply_adds(network),
    )
    script = (sys.executable, str(PEERS / "keras_fit.py"), name, "--images", str(setting.images))
    epochs = ("--epochs", "1") if setting.quick else ()
    return Contender(result, (*script, *epochs, "--seed", "{seed}"))


def keras_peers(setting: Setting) -> list[Contender]:
    """Returns the two peers in plain Keras."""
    return [
        keras_peer("keras_example", "Keras's convnet example", setting),
        keras_peer("keras_tutorial", "the tutorial's net, Keras", setting),
    ]


def training_multiply_adds(network: keras.Model) -> int:
    """Counts the multiplications with an addition that one image costs in a step of training.

    Of convolutions and dense layers: each number of a kernel is used once at each place of the
    output, on the way forward, for the gradient of the kernel, and for that of the layer's input,
    which no first layer needs. What batch norm, activations and pools do is left out; so is
    augmentation.

    Args:
        network: whose first layer with a kernel reads the image.
    """
    forward = [
        math.prod(layer.output.shape[1:-1]) * math.prod(weight.shape)
        for layer in network.layers
        for weight in layer.weights
        if len(weight.shape) > 1
    ]
    return int(3 * sum(forward) - forward[0])


def write_images(setting: Setting) -> None:
    """Writes the images for the peers, as keras.datasets has them.

    In a quick check they are as many as a recipe trains on and holds out.
    """
    config = compose(setting.overrides).config
    options = config.data.options() | {"validation_images": 0}
    if options["train_images"] is not None:
        options["train_images"] += config.data.validation_images
    splits = data.load(config.data.name, seed=config.seed, **options)
    np.savez(
        setting.images,
        x_train=splits.train.images,
        y_train=splits.train.labels,
        x_test=splits.test.images,
        y_test=splits.test.labels,
    )
