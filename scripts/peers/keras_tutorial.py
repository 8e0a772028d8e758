"""The network of the tutorial that this project grew from, in plain Keras with `model.fit`.

Two hidden layers of 50 units, Adam, 20 epochs in batches of 128, 5,000 images held out, as
`experiment=seed_baseline` has it.
"""

import argparse
import json
import time

import keras
import numpy as np
from keras import layers

HELD_OUT = 1 / 12  # of the training images: 5,000 of 60,000


def main() -> None:
    """Trains, tests, and prints what came of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="as keras.datasets has it (.npz)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    with np.load(options.images) as arrays:
        images, test_images = (flat(arrays[name]) for name in ("x_train", "x_test"))
        labels, test_labels = arrays["y_train"], arrays["y_test"]
    model = network()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    model.fit(
        images,
        labels,
        batch_size=128,
        epochs=options.epochs,
        validation_split=HELD_OUT,
        verbose=0,
    )
    fit_seconds = time.perf_counter() - began
    loss, accuracy = model.evaluate(test_images, test_labels, verbose=0)
    result = {
        "fit_seconds": fit_seconds,
        "test_loss": float(loss),
        "test_errors": round((1 - float(accuracy)) * len(test_images)),
        "test_images": len(test_images),
        "parameters": model.count_params(),
        "epochs": options.epochs,
        "train_images": int(len(images) * (1 - HELD_OUT)),  # as Keras rounds it
    }
    print(json.dumps(result))


def network() -> keras.Model:
    """Returns the network, float [batch, 784] -> probabilities [batch, 10]."""
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(50, activation="relu"),
            layers.Dense(50, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def flat(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 pixels [N, 28, 28] as float32 [N, 784] in [0, 1]."""
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


if __name__ == "__main__":
    main()
