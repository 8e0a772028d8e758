"""A loss that forgives wrong labels, and a metric of the digit that is read worst."""

from mnist_exp.extend import CLASSES, Positive, loss, metric


@loss("generalized")
def generalized(*, power: Positive):
    """Between cross-entropy and absolute error (Zhang and Sabuncu 2018, arXiv:1805.07836)."""
    import tensorflow as tf

    def of_images(targets, logits):
        right = tf.reduce_sum(targets * tf.nn.softmax(logits), axis=1)
        return (1 - tf.maximum(right, 1e-7) ** power) / power

    return of_images


@metric("worst_digit")
def worst_digit(probabilities, labels):
    """The share of images recognised of the digit of which it is least."""
    right = probabilities.argmax(axis=1) == labels
    return min(right[labels == digit].mean() for digit in range(CLASSES) if digit in labels)
