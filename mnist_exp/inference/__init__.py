"""Recognises digits that people draw or photograph, without TensorFlow.

`decoding` turns the bytes of a file into grey values, `ink` finds what was written on what,
`segmentation` the digits in it, `normalization` gives each MNIST's own form, `model` asks the ONNX
file of a run, and `recognition` puts them together.
"""

from mnist_exp.inference.decoding import decode
from mnist_exp.inference.model import Model
from mnist_exp.inference.recognition import Digit, Reading, Recognizer

__all__ = ["Digit", "Model", "Reading", "Recognizer", "decode"]
