"""MNIST as tutorials train it: what a grid of `mnist-exp train -m` is compared with.

One process for each training, Keras's own loop, and MLflow's `autolog` for record and model.
"""

import argparse

import keras
import mlflow
import numpy as np


def main() -> None:
    """Trains, tests and records one network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="MNIST, as keras.datasets has it (.npz)")
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("plain-keras")
    # mlflow.autolog() turns on TensorFlow's kind too, which fails in fit without TensorBoard.
    mlflow.keras.autolog()
    keras.utils.set_random_seed(options.seed)
    with np.load(options.images) as arrays:
        train = arrays["x_train"].reshape(-1, 784) / 255, arrays["y_train"]
        test = arrays["x_test"].reshape(-1, 784) / 255, arrays["y_test"]
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(50, activation="relu"),
            keras.layers.Dense(50, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    with mlflow.start_run():
        mlflow.log_params({"learning_rate": options.learning_rate, "seed": options.seed})
        model.fit(*train, batch_size=128, epochs=options.epochs, validation_split=1 / 12, verbose=2)
        loss, accuracy = model.evaluate(*test, verbose=0)
        mlflow.log_metrics({"test_loss": loss, "test_accuracy": accuracy})
    print(f"test accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
