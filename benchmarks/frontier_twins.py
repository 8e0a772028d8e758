"""The twins of a recipe: by Keras's own fit, and in PyTorch where there is a Python that has it.

The recipe is read as it is composed, so that the twins follow it.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from frontier_contenders import PEERS, Contender, Setting, training_multiply_adds
from frontier_results import SHORT, Result

from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.config.schema import Config
from mnist_exp.runs import environment
from mnist_exp.training import build

RECIPE = "fast"


def twins(setting: Setting) -> tuple[list[Contender], str]:
    """Returns a recipe's twins; and who of them is left out and why, or nothing."""
    config = compose((f"experiment={RECIPE}", *setting.overrides)).config
    reason = "; ".join(untranslated(config))
    if reason:
        return [], f"The twins of {RECIPE} are left out: {reason}."
    file = setting.folder / "recipe.json"
    network = build.network(config)
    with np.load(setting.images) as arrays:
        images = len(arrays["y_train"]) - config.data.validation_images
    file.write_text(json.dumps(recipe(config, network, images)), encoding="utf-8")
    shared: dict[str, Any] = {
        "count": training_multiply_adds(network),
        "file": file,
        "setting": setting,
    }
    chosen = environment.settled(config).training.precision
    precisions = sorted({"float32", chosen})[::-1]
    found = [twin("keras_fit", "Keras's fit", chosen, **shared)]
    _, reason = torch_version(setting.torch_python)
    if reason:
        return found, f"{RECIPE} in PyTorch is left out: {reason}."
    for precision in precisions:
        for kind, words in (("torch", "eager PyTorch"), ("torch_compile", "torch.compile")):
            found.append(twin(f"{kind}_{precision}", words, precision, **shared))
    return found, ""


def twin(
    name: str, words: str, precision: str, *, count: int, file: Path, setting: Setting
) -> Contender:
    """Returns a twin.

    Args:
        name: as `--only` has it.
        words: how it trains, for the table.
        precision: "float32" or "bfloat16".
        count: multiplications with an addition of an image in a step of training.
        file: the recipe, to be read.
        setting: what all share.
    """
    result = Result(
        name=name,
        title=f"{RECIPE}, {words}, {SHORT[precision]}",
        ours=False,
        precision=precision,
        training_multiply_adds=count,
    )
    if name.startswith("torch"):
        script = (setting.torch_python, str(PEERS / "torch_recipe.py"))
    else:
        script = (sys.executable, str(PEERS / "keras_recipe.py"))
    files = ("--images", str(setting.images), "--recipe", str(file))
    compiled = ("--compile",) if "compile" in name else ()
    return Contender(
        result, (*script, *files, "--precision", precision, *compiled, "--seed", "{seed}")
    )


def untranslated(config: Config) -> Iterator[str]:
    """Yields what a recipe asks for and its twins in benchmarks/peers do not do."""
    if config.augmentation.name != "none":
        yield f"it has no augmentation {config.augmentation.name}"
    if config.optimizer.name not in ("adam", "adamw"):
        yield f"it has no optimizer {config.optimizer.name}"
    if config.loss.name != "cross_entropy" or config.loss.options()["class_weights"]:
        yield "it has plain cross-entropy"
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


def recipe(config: Config, network: keras.Model, images: int) -> dict[str, Any]:
    """Returns a recipe as its twins in benchmarks/peers read it.

    Args:
        config: of the recipe.
        network: of the recipe.
        images: that it is trained on.
    """
    training = config.training
    steps = math.ceil(images / training.batch_size) * training.epochs
    schedule = components.build("schedule", config.schedule)
    factors = schedule(tf.range(steps, dtype=tf.float32) / steps).numpy()
    peak = config.optimizer.options()["learning_rate"]
    return {
        "layers": [
            {"class_name": type(layer).__name__, "config": layer.get_config()}
            for layer in network.layers
        ],
        "optimizer": config.optimizer.model_dump(),
        "rates": [peak * float(factor) for factor in factors],
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "validation_images": config.data.validation_images,
        "label_smoothing": config.loss.options()["label_smoothing"],
        "weight_averaging": training.weight_averaging,
    }
