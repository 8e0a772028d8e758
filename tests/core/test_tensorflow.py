"""TensorFlow loads beside other work, and in commands without what only wraps other libraries."""

from invoke import python

LOAD = """
import sys
from mnist_exp import data
from mnist_exp.core import tensorflow_setup
tensorflow_setup.ours = True
with tensorflow_setup.tensorflow_beside():
    splits = data.load("digits", seed=0, validation_images=200, train_images=None)
assert len(splits.validation.images) == 200
import keras
print(keras.Sequential([keras.layers.Dense(2)])(splits.test.images[:3]).shape)
print("matplotlib" in sys.modules)  # scikit-learn, which has the digits, imports pandas
import pandas, sklearn.base, matplotlib.pyplot
"""


def test_a_command_leaves_out_what_keras_wraps():
    done = python(LOAD, fresh=True, check=True)
    assert done.stdout.splitlines() == ["(3, 28, 2)", "False"]
    assert done.stderr == ""


def test_an_error_beside_the_import_is_told_and_what_was_taken_for_stderr_stays_open():
    code = """
import sys
from mnist_exp.core import tensorflow_setup
before = sys.stderr
try:
    with tensorflow_setup.tensorflow_beside():
        while sys.stderr is before:  # until the import, which takes seconds, has begun
            pass
        taken = sys.stderr
        raise RuntimeError("no data")
except RuntimeError as error:
    print(error, "tensorflow" in sys.modules)
import keras, sklearn
print("matplotlib" in sys.modules)  # a program has what Keras wraps
assert sys.stderr is before is not taken
print("told", file=taken)
"""
    done = python(code, fresh=True, check=True)
    assert done.stdout == "no data True\nTrue\n"
    assert done.stderr == "told\n"
