"""Networks in plain Keras, with `model.fit` in batches of 128 and Adam.

`keras_example` is the convnet that Keras's own documentation trains on MNIST: two convolutions with
a pool each, half of what they give dropped, one dense layer. It is known for about 99.06 % of the
test images. `keras_tutorial` is the network of the tutorial that this project grew from: two hidden
layers of 50 units, as `experiment=seed_baseline` has it.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

CLASSES = 10


@dataclass(frozen=True)
class Peer:
    """A network, and how it is trained."""

    network: Callable[[], keras.Model]  # float [batch, ...] in [0, 1] -> probabilities [batch, 10]
    epochs: int
    held_out: float  # share of the training images
    one_hot: bool  # whether labels are rows of ten numbers


def example() -> keras.Model:
    """Returns the network of the example, float [batch, 28, 28, 1] -> probabilities."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def tutorial() -> keras.Model:
    """Returns the network of the tutorial, float [batch, 784] -> probabilities."""
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(50, activation="relu"),
            layers.Dense(50, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


PEERS = {
    "keras_example": Peer(example, epochs=15, held_out=0.1, one_hot=True),
    "keras_tutorial": Peer(tutorial, epochs=20, held_out=1 / 12, one_hot=False),
}


def main() -> None:
    """Trains, tests, and prints what came of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--images", required=True, help="as keras.datasets has it (.npz)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="other than the peer's own")
    options = parser.parse_args()

    peer = PEERS[options.peer]
    epochs = options.epochs or peer.epochs
    keras.utils.set_random_seed(options.seed)
    model = peer.network()
    with np.load(options.images) as arrays:
        images, test_images = (
            arrays[name].reshape(-1, *model.input_shape[1:]).astype(np.float32) / 255
            for name in ("x_train", "x_test")
        )
        labels, test_labels = arrays["y_train"], arrays["y_test"]
    loss_name = "sparse_categorical_crossentropy"
    if peer.one_hot:
        loss_name = "categorical_crossentropy"
        labels, test_labels = (
            keras.utils.to_categorical(digits, CLASSES) for digits in (labels, test_labels)
        )
    model.compile(optimizer="adam", loss=loss_name, metrics=["accuracy"])
    began = time.perf_counter()
    model.fit(
        images, labels, batch_size=128, epochs=epochs, validation_split=peer.held_out, verbose=0
    )
    fit_seconds = time.perf_counter() - began
    loss, accuracy = model.evaluate(test_images, test_labels, verbose=0)
    result = {
        "fit_seconds": fit_seconds,
        "test_loss": float(loss),
        "test_errors": round((1 - float(accuracy)) * len(test_images)),
        "test_images": len(test_images),
        "parameters": model.count_params(),
        "epochs": epochs,
        "train_images": int(len(images) * (1 - peer.held_out)),  # as Keras rounds it
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
