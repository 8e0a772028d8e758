"""The twins of a recipe in PyTorch, where there is a Python that has it.

The recipe is read as it is composed, so that the twins follow it.
"""

import json
import math
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from frontier_contenders import PEERS, Contender, Setting, training_multiply_adds
from frontier_results import SHORT, Result

from mnist_exp.config.compose import compose
from mnist_exp.config.schema import Config
from mnist_exp.core import hardware
from mnist_exp.training import build, optimizers

TORCH_RECIPE = "fast"


def torch_peers(setting: Setting) -> tuple[list[Contender], str]:
    """Returns a recipe's twins in PyTorch, or none and why there are none."""
    config = compose((f"experiment={TORCH_RECIPE}", *setting.overrides)).config
    reason = "; ".join(untranslated(config)) or torch_version(setting.torch_python)[1]
    if reason:
        return [], f"{TORCH_RECIPE} in PyTorch is left out: {reason}."
    file = setting.folder / "recipe.json"
    network = build.network(config)
    with np.load(setting.images) as arrays:
        images = len(arrays["y_train"]) - config.data.validation_images
    file.write_text(json.dumps(torch_recipe(config, network, images)), encoding="utf-8")
    precisions = {"float32", hardware.resolve_precision(config.training.precision)}
    count = training_multiply_adds(network)
    return [torch_peer(name, count, file, setting) for name in sorted(precisions)[::-1]], ""


def torch_peer(precision: str, count: int, recipe: Path, setting: Setting) -> Contender:
    """Returns the twin that computes in one precision.

    Args:
        precision: "float32" or "bfloat16".
        count: multiplications with an addition of an image in a step of training.
        recipe: the file to be read.
        setting: what all share.
    """
    result = Result(
        name=f"torch_{precision}",
        title=f"{TORCH_RECIPE}, eager PyTorch, {SHORT[precision]}",
        ours=False,
        precision=precision,
        training_multiply_adds=count,
    )
    script = (setting.torch_python, str(PEERS / "torch_recipe.py"))
    files = ("--images", str(setting.images), "--recipe", str(recipe))
    return Contender(result, (*script, *files, "--precision", precision, "--seed", "{seed}"))


def untranslated(config: Config) -> Iterator[str]:
    """Yields what a recipe asks for and scripts/peers/torch_recipe.py does not do."""
    if config.augmentation.name != "none":
        yield f"it has no augmentation {config.augmentation.name}"
    if config.optimizer.name not in ("adam", "adamw"):
        yield f"it has no optimizer {config.optimizer.name}"
    if config.training.best_weights:
        yield "it ends with the weights of the last epoch"
    if config.training.early_stopping_patience is not None:
        yield "it stops at the last epoch"


@cache
def torch_version(python: str) -> tuple[str, str]:
    """Returns the version of PyTorch that an interpreter has; or none, and why there is none."""
    command = (python, "-c", "import numpy, torch; print(torch.__version__)")
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        return "", f"{python}: {error.strerror}"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    last = done.stderr.strip().rpartition("\n")[2]
    return "", f"{last} (--torch-python names a Python that has torch and numpy)"


def torch_recipe(config: Config, network: keras.Model, images: int) -> dict[str, Any]:
    """Returns a recipe as scripts/peers/torch_recipe.py reads it.

    Args:
        config: of the recipe.
        network: of the recipe.
        images: that it is trained on.
    """
    training = config.training
    steps = math.ceil(images / training.batch_size) * training.epochs
    schedule = optimizers.SCHEDULES[config.schedule.name](**config.schedule.options())
    factors = schedule(tf.range(steps, dtype=tf.float32) / steps).numpy()
    return {
        "layers": [
            {"class_name": type(layer).__name__, "config": layer.get_config()}
            for layer in network.layers
        ],
        "optimizer": config.optimizer.model_dump(),
        "rates": [config.optimizer.learning_rate * float(factor) for factor in factors],
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "validation_images": config.data.validation_images,
        "label_smoothing": training.label_smoothing,
        "weight_averaging": training.weight_averaging,
    }
