"""A recipe of mnist_exp in PyTorch, eager or compiled: the same layers, steps and learning rates.

`scripts/benchmark` writes the recipe as it is composed to a file of JSON: the network as Keras
describes it, the learning rate of every step, and the numbers of the training. This script needs
PyTorch and NumPy, and nothing of mnist_exp.
"""

# PyTorch may be absent where types are checked.
# mypy: disable-error-code="import-not-found, untyped-decorator"

import argparse
import copy
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

EVALUATION_BATCH = 1000
ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "elu": nn.ELU, "tanh": nn.Tanh}


def main() -> None:
    """Trains, tests, and prints what came of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="as keras.datasets has it (.npz)")
    parser.add_argument("--recipe", required=True, help="written by scripts/benchmark (.json)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="the training step, by Inductor")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    with open(options.recipe, encoding="utf-8") as file:  # noqa: PTH123 - a path of the caller's
        recipe = json.load(file)
    with np.load(options.images) as arrays:
        images, test_images = (torch.from_numpy(arrays[name]) for name in ("x_train", "x_test"))
        labels, test_labels = (
            torch.from_numpy(arrays[name].astype(np.int64)) for name in ("y_train", "y_test")
        )
    network = build(recipe["layers"])
    # Its making imports more of PyTorch, for seconds, and imports are no part of anybody's fit.
    optimizer = optimizer_of(network, recipe["optimizer"])
    first = len(images) - recipe["validation_images"]
    began = time.perf_counter()
    averaged, first_step_seconds = fit(
        network,
        optimizer,
        (images[:first], labels[:first]),
        (images[first:], labels[first:]),
        recipe,
        bfloat16=options.precision == "bfloat16",
        compiled=options.compile,
    )
    fit_seconds = time.perf_counter() - began
    loss, errors = evaluate(averaged, test_images, test_labels)
    result = {
        "fit_seconds": fit_seconds,
        "first_step_seconds": first_step_seconds,
        "test_loss": loss,
        "test_errors": errors,
        "test_images": len(test_images),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "epochs": recipe["epochs"],
        "train_images": first,
    }
    print(json.dumps(result))


def fit(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    recipe: dict[str, Any],
    *,
    bfloat16: bool,
    compiled: bool,
) -> tuple[nn.Module, float]:
    """Trains a network in place, and looks at the validation images after each epoch.

    Args:
        network: float [batch, 1, 28, 28] -> logits [batch, 10].
        optimizer: of the network.
        train: uint8 images [N, 28, 28] and their labels.
        validation: the same of the images held out; may be empty.
        recipe: what `scripts/benchmark` wrote.
        bfloat16: whether the layers compute in it.
        compiled: whether `torch.compile` makes a program of the loss, its gradient, and the
            optimizer's step.

    Returns:
        The network whose weights are to be tested: this one, or the moving average of it; and the
        seconds of the first step, in which what is compiled is compiled.
    """
    images, labels = train
    rates, steps = iter(recipe["rates"]), itertools.count()
    decay = recipe["weight_averaging"]
    tested = network if decay is None else copy.deepcopy(network)

    def loss_of(pixels: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = network(scaled(pixels))
        return functional.cross_entropy(
            logits.float(), targets, label_smoothing=recipe["label_smoothing"]
        )

    began, first_step_seconds = time.perf_counter(), 0.0
    update = optimizer.step
    if compiled:
        loss_of, update = torch.compile(loss_of), torch.compile(optimizer.step)
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(0.0)  # a number would be compiled in, each one anew
    for _ in range(recipe["epochs"]):
        network.train()
        # The last batch takes what is left.
        for chosen in torch.randperm(len(images)).split(recipe["batch_size"]):
            set_rate(optimizer, next(rates))
            loss = loss_of(images[chosen], labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            update()
            first_step_seconds = first_step_seconds or time.perf_counter() - began
            if decay is not None:
                average(network, tested, decay, next(steps))
        if len(validation[0]):
            evaluate(tested, *validation)
    return tested, first_step_seconds


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of the next step."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@torch.no_grad()
def average(network: nn.Module, tested: nn.Module, decay: float, step: int) -> None:
    """Moves a copy's weights towards the network's, the faster the earlier the step."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    pairs = zip(tested.state_dict().values(), network.state_dict().values(), strict=True)
    for mean, weight in pairs:
        if mean.is_floating_point():  # batch norm also counts its steps
            mean.lerp_(weight, share)


@torch.no_grad()
def evaluate(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """Returns the mean loss over images, and how many of them are taken for another digit."""
    network.eval()
    parts = [network(scaled(part)) for part in images.split(EVALUATION_BATCH)]
    logits = torch.cat(parts)
    errors = int((logits.argmax(dim=1) != labels).sum())
    return float(functional.cross_entropy(logits, labels)), errors


def optimizer_of(network: nn.Module, options: dict[str, Any]) -> torch.optim.Optimizer:
    """Returns the recipe's optimizer; its learning rate is set before each step."""
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return cast(
        "torch.optim.Optimizer",
        kinds[options["name"]](
            network.parameters(),
            betas=(options["beta_1"], options["beta_2"]),
            eps=options["epsilon"],
            weight_decay=options.get("weight_decay", 0.0),
        ),
    )


def scaled(pixels: Tensor) -> Tensor:
    """Returns uint8 pixels [batch, 28, 28] as float32 [batch, 1, 28, 28] in [0, 1]."""
    floats = pixels[:, None].to(torch.float32) / 255
    return floats.contiguous(memory_format=torch.channels_last)


def build(layers: list[dict[str, Any]]) -> nn.Module:
    """Returns the layers of a sequential Keras model, one after the other, with fresh weights.

    Args:
        layers: of each, its Keras `class_name` and its `config`.

    Returns:
        A network, float [batch, 1, 28, 28] -> logits [batch, 10].
    """
    parts: list[nn.Module] = []
    x = torch.zeros(1, 1, 28, 28)
    for layer in layers:
        for part in parts_of(layer["class_name"], layer["config"]):
            x = part.eval()(x)  # a lazy layer learns how many inputs it has
            parts.append(part)
            if "kernel_initializer" in layer["config"] and hasattr(part, "weight"):
                draw(part, layer["config"]["kernel_initializer"]["class_name"])
    # On processors, convolutions are up to twice as fast in this order.
    return nn.Sequential(*parts).to(memory_format=torch.channels_last)


def parts_of(kind: str, config: dict[str, Any]) -> Iterator[nn.Module]:
    """Yields what does the same as a Keras layer.

    Raises:
        ValueError: nothing here does.
    """
    match kind:
        case "Conv2D":
            padding = "same" if config["padding"] == "same" else 0
            sizes = config["filters"], config["kernel_size"], config["strides"], padding
            yield nn.LazyConv2d(*sizes, groups=config["groups"], bias=config["use_bias"])
        case "Dense":
            yield nn.LazyLinear(config["units"], bias=config["use_bias"])
        case "BatchNormalization":
            yield nn.LazyBatchNorm2d(config["epsilon"], 1 - config["momentum"])
        case "MaxPooling2D" if config["padding"] == "valid":
            yield nn.MaxPool2d(config["pool_size"], config["strides"])
        case "AveragePooling2D" if config["padding"] == "valid":
            yield nn.AvgPool2d(config["pool_size"], config["strides"])
        case "Dropout":
            yield nn.Dropout(config["rate"])
        case "Flatten":
            yield nn.Flatten()
        case "Activation":
            pass
        case _:
            raise ValueError(f"Expected a layer that PyTorch has too. Received: {kind}.")
    if config.get("activation", "linear") != "linear":
        yield ACTIVATIONS[config["activation"]]()


@torch.no_grad()
def draw(part: nn.Module, initializer: str) -> None:
    """Gives a layer fresh weights as Keras does, and no bias.

    Raises:
        ValueError: the initializer is none of the recipes'.
    """
    weight, bias = cast("Tensor", part.weight), cast("Tensor | None", part.bias)
    match initializer:
        case "HeNormal":
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        case "GlorotUniform":
            nn.init.xavier_uniform_(weight)
        case _:
            raise ValueError(f"Expected HeNormal or GlorotUniform. Received: {initializer}.")
    if bias is not None:
        bias.zero_()


if __name__ == "__main__":
    main()
