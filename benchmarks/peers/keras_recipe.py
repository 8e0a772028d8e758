"""A recipe of mnist_exp by Keras's own `model.fit`: the same layers, steps and learning rates.

It reads what `scripts/benchmark` writes for `torch_recipe.py` too, and needs Keras and NumPy, and
nothing of mnist_exp.
"""

import argparse
import json
import time
from typing import Any

import keras
import numpy as np
from keras import layers

CLASSES = 10
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate for each step."""

    def __init__(self, rates: list[float]) -> None:
        """Takes them, the first step's first."""
        self._rates = keras.ops.convert_to_tensor(rates, "float32")

    def __call__(self, step: Any) -> Any:
        """Returns that of a step, 0 for the first."""
        return keras.ops.take(self._rates, keras.ops.cast(step, "int32"))


def main() -> None:
    """Trains, tests, and prints what came of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="as keras.datasets has it (.npz)")
    parser.add_argument("--recipe", required=True, help="written by scripts/benchmark (.json)")
    parser.add_argument("--precision", choices=POLICIES, default="float32")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    with open(options.recipe, encoding="utf-8") as file:  # noqa: PTH123 - a path of the caller's
        recipe = json.load(file)
    with np.load(options.images) as arrays:
        images, test_images = (
            arrays[name][..., None].astype(np.float32) / 255 for name in ("x_train", "x_test")
        )
        labels, test_labels = (
            keras.utils.to_categorical(arrays[name], CLASSES) for name in ("y_train", "y_test")
        )
    first = len(images) - recipe["validation_images"]
    model = network(recipe, POLICIES[options.precision])
    model.compile(
        optimizer=optimizer_of(recipe),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe["label_smoothing"]
        ),
        metrics=["accuracy"],
    )
    began = time.perf_counter()
    model.fit(
        images[:first],
        labels[:first],
        batch_size=recipe["batch_size"],
        epochs=recipe["epochs"],
        validation_data=(images[first:], labels[first:]) if first < len(images) else None,
        verbose=0,
    )
    fit_seconds = time.perf_counter() - began
    logits = model.predict(test_images, batch_size=1000, verbose=0).astype(np.float32)
    loss = keras.losses.categorical_crossentropy(test_labels, logits, from_logits=True)
    result = {
        "fit_seconds": fit_seconds,
        "test_loss": float(np.mean(loss)),
        "test_errors": int((logits.argmax(1) != test_labels.argmax(1)).sum()),
        "test_images": len(test_images),
        "parameters": model.count_params(),
        "epochs": recipe["epochs"],
        "train_images": first,
    }
    print(json.dumps(result))


def network(recipe: dict[str, Any], policy: str) -> keras.Model:
    """Returns the network of a recipe with fresh weights, float [batch, 28, 28, 1] -> logits.

    Args:
        recipe: what `scripts/benchmark` wrote.
        policy: Keras's name of what its layers compute in.
    """
    found = [
        getattr(layers, layer["class_name"]).from_config(layer["config"] | {"dtype": policy})
        for layer in recipe["layers"]
    ]
    return keras.Sequential([keras.Input((28, 28, 1)), *found])


def optimizer_of(recipe: dict[str, Any]) -> keras.Optimizer:
    """Returns the optimizer of a recipe."""
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
    options = dict(recipe["optimizer"]) | {"learning_rate": Rates(recipe["rates"])}
    if recipe["weight_averaging"] is not None:
        options |= {"use_ema": True, "ema_momentum": recipe["weight_averaging"]}
    return kinds[options.pop("name")](**options)


if __name__ == "__main__":
    main()
