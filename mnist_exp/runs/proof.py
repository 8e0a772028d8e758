"""What every run promises, tried on components of a user's own before their first run.

A few steps of training on random images, in seconds; what was proven is kept in the user's cache,
by the digest of all that it depends on. Of built-in components the tests of this project say it.
"""

import contextlib
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp.config import components
from mnist_exp.config.record import to_record
from mnist_exp.config.registry import GROUPS
from mnist_exp.config.schema import Config
from mnist_exp.core import cache, hardware
from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.runs import source_code

if TYPE_CHECKING:
    import keras

    from mnist_exp.data import Splits
    from mnist_exp.training.loop import Task

_IMAGES, _BATCH = 40, 16  # the last batch of an epoch is smaller
_LOADS = "import sys, keras; keras.saving.load_model(sys.argv[1])"

_proven: set[str] = set()  # in this process

Check = Callable[[Config], str]  # what is wrong, or nothing


def require(config: Config) -> None:
    """Proves the components of a config that are a user's own, unless that was done before.

    Args:
        config: settled.

    Raises:
        RequestError: they break a promise.
    """
    if not unproven([config]):
        return
    for name, problem in prove(config):
        if problem:
            names = ", ".join(source.name for source in components.used(config))
            raise RequestError(
                f"Expected components, of {names}, that keep what a run promises. Received: "
                f"{name}: {problem} `mnist-exp check FILE` tries them alone."
            )
    remember(config)


def remember(config: Config) -> None:
    """Keeps for later runs that the components of a config keep their promises.

    Args:
        config: settled.
    """
    digest = _digest(config)
    _proven.add(digest)
    with contextlib.suppress(OSError):  # another process proves it again
        proven = _file(digest)
        proven.parent.mkdir(parents=True, exist_ok=True)
        proven.touch()


def unproven(configs: Iterable[Config]) -> list[Config]:
    """Returns those that `require` would have to prove, one for each set of components.

    Args:
        configs: settled.
    """
    own = {_digest(config): config for config in configs if components.used(config)}
    return [config for digest, config in own.items() if not _is_proven(digest)]


def _is_proven(digest: str) -> bool:
    return digest in _proven or _file(digest).exists()


def _file(digest: str) -> Path:
    return cache.folder("proofs") / digest


def prove(config: Config) -> Iterator[tuple[str, str]]:
    """Tries what a run promises with the components of a config.

    Args:
        config: settled; what it says of data and steps has no part in it.

    Yields:
        A promise in words, and what is wrong with it: nothing, or a sentence. After the first
        that is broken no other is tried.
    """
    hardware.start_tensorflow(config.training.threads, config.training.device)
    own = _own(config)
    for words, groups, check in _CHECKS:
        if own & groups:
            try:
                problem = check(config)
            except Exception as error:  # noqa: BLE001 - a user's own code may raise anything
                where = f"in {config.training.precision} " if check is _same_training else ""
                problem = f"{where}it raises {_reason(error)}."
            yield words, problem
            if problem:
                return


def _images_have_their_form(config: Config) -> str:
    from mnist_exp import data

    try:
        data.load_whole(config.data.name, **config.data.options())
    except ExperimentError as problem:
        return str(problem)
    return ""


def _same_numbers(config: Config) -> str:
    import numpy as np

    draws = np.random.default_rng(0).random((_IMAGES, CLASSES), dtype=np.float32)
    probabilities = draws / draws.sum(axis=1, keepdims=True)
    labels = (np.arange(_IMAGES) % CLASSES).astype(np.uint8)
    for name, score in components.scores(config.metrics).items():
        try:
            first, second = (float(score(probabilities.copy(), labels.copy())) for _ in range(2))
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything
            return f"{name} raises {_reason(error)}."
        if first != second and not (math.isnan(first) and math.isnan(second)):
            return f"{name} gives {first} and then {second} for the same predictions."
    return ""


def _a_number_for_each_image(config: Config) -> str:
    import numpy as np

    loss = components.build("loss", config.loss)
    logits = np.random.default_rng(0).standard_normal((_BATCH, CLASSES), dtype=np.float32)
    shape = list(np.shape(loss(np.eye(CLASSES, dtype=np.float32)[:1].repeat(_BATCH, 0), logits)))
    if shape != [_BATCH]:
        return (
            f"it gives {shape} for {_BATCH} images, not [{_BATCH}], the loss of each: leave their "
            "mean to the training."
        )
    return ""


def _a_factor_at_any_share(config: Config) -> str:
    import numpy as np
    import tensorflow as tf

    schedule = components.build("schedule", config.schedule)
    try:
        shares = map(tf.constant, (0.0, 0.5, 1.0))
        factors = [float(tf.function(schedule, autograph=False)(share)) for share in shares]
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything
        return (
            f"it raises {_reason(error)}. The share of training that is done is a tensor in a "
            "graph: choose by tf.where, not by if, and compute by tf.cos and its like."
        )
    return "" if np.isfinite(factors).all() else f"it gives {factors} at shares of 0, 0.5 and 1."


def _steps_at_any_rate(config: Config) -> str:
    import keras

    optimizer = components.build("optimizer", config.optimizer)
    if not isinstance(optimizer, keras.Optimizer):
        return f"it gives {type(optimizer).__name__}, not a keras.Optimizer."
    rate = optimizer._learning_rate  # noqa: SLF001 - which Keras shows as a number only
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return (
            f"its learning rate is {type(rate).__name__}: give it the peak, a number. How it "
            "changes is the choice of schedule."
        )
    if optimizer.use_ema:
        return "its use_ema would do nothing: choose training.weight_averaging."
    return ""


def _logits_for_any_batch(config: Config) -> str:
    import keras
    import numpy as np

    from mnist_exp.models import networks
    from mnist_exp.training import build

    network = build.network(config)
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        return (
            f"it is {type(network).__name__}: build a functional or a Sequential model that begins "
            "with keras.Input((28, 28, 1))."
        )
    shapes = network.input_shape, network.output_shape
    if shapes != ((None, *IMAGE_SHAPE, 1), (None, CLASSES)):
        expected = f"a Keras model from {[None, *IMAGE_SHAPE, 1]} to {[None, CLASSES]}"
        return f"it is not {expected}, but from {shapes[0]} to {shapes[1]}."
    for count in (1, 7):
        logits = networks.predictor(network)(_random_images(count))
        if not np.isfinite(logits).all():
            return "its first logits are not finite."
        if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=1e-3):
            return "it gives probabilities, not logits: leave its softmax out."
    return ""


def _same_first_weights(config: Config) -> str:
    from mnist_exp.training import build

    first, second = (build.network(config).get_weights() for _ in range(2))
    if not _equal(first, second):
        return (
            "its first weights are others each time: draw them by Keras's initializers, without a "
            "seed, or from one that is fixed."
        )
    return ""


def _same_images(config: Config) -> str:
    import numpy as np

    from mnist_exp.training import build

    augment = build.augmentation(config)
    images = _random_images(_BATCH)[..., None].astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[np.arange(_BATCH) % CLASSES]
    first, second = (augment(images, targets, np.array([1, 2], np.int32)) for _ in range(2))
    names = ("images", "targets")
    if not isinstance(first, tuple | list) or len(first) != len(names):
        return "it gives no pair of images and targets, as one with mixes=True does."
    for what, given, found in zip(names, (images, targets), first, strict=True):
        changed = np.asarray(found)
        if changed.shape != given.shape or changed.dtype != np.float32:
            expected = f"float32 {list(given.shape)}"
            return f"it gives {changed.dtype} {list(changed.shape)} as {what}, not {expected}."
        if not np.isfinite(changed).all():
            return f"it gives {what} that are not finite."
    if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        return (
            "it gives other images for the same seed: draw by tf.random.stateless_uniform and its "
            "like, from the seed that it is given."
        )
    return ""


def _same_training(config: Config) -> str:
    first, second = (_trained(config) for _ in range(2))
    if not all(map(_is_finite, first)):
        return "five steps of training give weights that are not finite."
    if not _equal(first, second):
        return (
            "the same training gives other weights each time: something draws random numbers that "
            "the seed of a run does not reach. In a layer, keep a keras.random.SeedGenerator as an "
            "attribute and hand it to what draws."
        )
    return ""


def _loads_alone(config: Config) -> str:
    """Loads the logged model in a process without the components, as MLflow and others do."""
    from mnist_exp.models import networks
    from mnist_exp.training import build

    with tempfile.TemporaryDirectory(prefix="mnist-exp-") as folder:
        file = Path(folder, "model.keras")
        networks.classifier(build.network(config)).save(file)
        # The code is a line of this module, the file the one above.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", _LOADS, str(file)],
            cwd=folder,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1][:300]
        return (
            "its saved model cannot be loaded without this code, as it must be wherever it is "
            f"served: build it of Keras's own layers, functional or Sequential ({last})."
        )
    return ""


def _exports(config: Config) -> str:
    from mnist_exp.models import networks
    from mnist_exp.models.export.onnx import write_onnx
    from mnist_exp.training import build

    classifier = networks.classifier(build.network(config))
    with tempfile.TemporaryDirectory(prefix="mnist-exp-") as folder:
        try:
            write_onnx(classifier, Path(folder, "model.onnx"), _random_images(20), threshold=None)
        except ExperimentError as problem:
            return str(problem)
    return ""


_TRAINED = frozenset({"augmentation", "model", "optimizer", "schedule", "loss"})
_MODEL = frozenset({"model"})
_CHECKS: tuple[tuple[str, frozenset[str], Check], ...] = (
    ("images and labels have their form", frozenset({"data"}), _images_have_their_form),
    ("a metric is a number of the predictions alone", frozenset({"metrics"}), _same_numbers),
    ("a loss is a number for each image", frozenset({"loss"}), _a_number_for_each_image),
    ("a schedule is a factor at any share", frozenset({"schedule"}), _a_factor_at_any_share),
    ("an optimizer steps at any rate", frozenset({"optimizer"}), _steps_at_any_rate),
    ("a model gives ten logits for any batch", _MODEL, _logits_for_any_batch),
    ("the seed alone decides the first weights", _MODEL, _same_first_weights),
    ("an augmentation is a function of its seed", frozenset({"augmentation"}), _same_images),
    ("the same training gives the same weights", _TRAINED, _same_training),
    ("the saved model loads without this code", _MODEL, _loads_alone),
    ("the ONNX export gives the same digits", _MODEL, _exports),
)


def _trained(config: Config) -> list[Any]:
    """Returns the weights after two epochs of three steps, validation and checkpoint included."""
    from mnist_exp.training import build, loop

    settings = {"epochs": 2, "batch_size": _BATCH}
    short = config.model_copy(update={"training": config.training.model_copy(update=settings)})
    task: Task = build.task(short, _random_splits())
    with tempfile.TemporaryDirectory(prefix="mnist-exp-") as folder:
        loop.fit(
            task,
            checkpoint_file=Path(folder, "checkpoint.npz"),
            best_weights=False,
            early_stopping_patience=None,
        )
    network: keras.Model = task.original
    weights: list[Any] = network.get_weights()
    return weights


def _random_splits() -> "Splits":
    import numpy as np

    from mnist_exp.data import Split, Splits

    split = Split(_random_images(_IMAGES), (np.arange(_IMAGES) % CLASSES).astype(np.uint8))
    return Splits(split, split, split, "random", "", "", _IMAGES)


def _random_images(count: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8)


def _reason(error: Exception) -> str:
    return reason_of(error).removesuffix(".")


def _equal(first: list[Any], second: list[Any]) -> bool:
    return [array.tobytes() for array in first] == [array.tobytes() for array in second]


def _is_finite(array: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(array).all())


def _own(config: Config) -> set[str]:
    """Returns the groups whose component is a user's own, and "metrics" where one of those is."""
    found = {
        group
        for group in GROUPS
        if components.named(group)[getattr(config, group).name].source is not None
    }
    if any(components.metrics()[name].source is not None for name in config.metrics):
        found.add("metrics")
    return found


def _digest(config: Config) -> str:
    """Returns the SHA-256 of what a proof depends on, as hex digits."""
    record, own = to_record(config), _own(config)
    parts = {
        "components": {source.name: source.sha256 for source in components.used(config)},
        "sections": {name: record[name] for name in sorted(own)},
        "code": source_code.sha256(),
        "packages": source_code.computing_packages(),
        "precision": config.training.precision,
        "device": config.training.device,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
