"""A checked config -> the things that it names, on this machine."""

import keras

from mnist_exp.config import components
from mnist_exp.config.schema import Config
from mnist_exp.core import hardware
from mnist_exp.data import Splits
from mnist_exp.models import layers, networks
from mnist_exp.training.augmentations import Mixing
from mnist_exp.training.loop import Task


def task(config: Config, splits: Splits) -> Task:
    """Builds everything that is trained and that trains it.

    Args:
        config: with a precision that is settled.
        splits: what to train and to validate on.

    Returns:
        Models with fresh weights, optimizer, schedule and augmentation, ready for `loop.fit`.
    """
    original = network(config)
    return Task(
        network=layers.copy(original, hardware.dtype_policy(config.training.precision)),
        original=original,
        predict=networks.predictor(original),
        optimizer=_optimizer(config),
        schedule=components.build("schedule", config.schedule),
        augment=augmentation(config),
        plain_fraction=config.training.plain_fraction,
        train=splits.train,
        validation=splits.validation,
        seed=config.seed,
        epochs=config.training.epochs,
        batch_size=config.training.batch_size,
        loss=components.build("loss", config.loss),
        scores=components.scores(config.metrics),
        weight_averaging=config.training.weight_averaging,
    )


def augmentation(config: Config) -> Mixing:
    """Returns the augmentation of a config; one that mixes nothing leaves targets as they are."""
    augment = components.build("augmentation", config.augmentation)
    if components.named("augmentation")[config.augmentation.name].mixes:
        mixing: Mixing = augment
        return mixing
    return lambda images, targets, seed: (augment(images, seed), targets)


def _optimizer(config: Config) -> keras.Optimizer:
    optimizer = components.build("optimizer", config.optimizer)
    if config.training.precision != "float16":
        return optimizer
    # Small gradients would be 0 in float16, which has fewer exponents than the others.
    return keras.optimizers.LossScaleOptimizer(optimizer)


def network(config: Config) -> keras.Model:
    """Builds the network of a config, in float32, with fresh weights."""
    return networks.build(config.model.name, seed=config.seed, **config.model.options())
