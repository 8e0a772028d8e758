"""Measures how fast this machine multiplies matrices, which is what training mostly does.

Large square matrices through TensorFlow, as the recipes' convolutions and dense layers go. It
prints one line of JSON: billions of floating-point operations a second, the best of several.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Measures both precisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=3072, help="of the matrices (3072)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each precision (2)")
    options = parser.parse_args()
    print(json.dumps({name: peak(name, options.side, options.seconds) for name in PRECISIONS}))


def peak(precision: str, side: int, seconds: float) -> float:
    """Returns the best of as many products as there is time for, and of three at least.

    Args:
        precision: "float32" or "bfloat16".
        side: of the matrices.
        seconds: how long to try.

    Returns:
        GFLOP/s: 2 `side`^3 operations, a multiplication and an addition for each pair of numbers.
    """
    left, right = (tf.cast(tf.random.normal((side, side)), precision) for _ in range(2))
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:  # noqa: PLR2004 - the first one is a warm-up
        began = time.perf_counter()
        product = tf.matmul(left, right)
        product[0, 0].numpy()  # waits for it
        times.append(time.perf_counter() - began)
    return 2 * side**3 / min(times) / 1e9


if __name__ == "__main__":
    main()
