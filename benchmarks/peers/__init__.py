"""MNIST as others train it: what mnist_exp's recipes stand beside in `scripts/benchmark`.

Each is a script by itself. It reads the images from one file, looks at the test images once, when
training has ended, and prints one line of JSON.
"""
