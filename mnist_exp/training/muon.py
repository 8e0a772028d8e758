"""Muon for the kernels of convolutions."""

import keras
import tensorflow as tf


def _layer(variable: keras.Variable) -> str:
    """Returns the path of the layer that has a variable."""
    path: str = variable.path
    return path.rpartition("/")[0]


class KernelMuon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, which takes matrices only, for kernels of convolutions too.

    A kernel [height, width, in, out] is the matrix [height * width * in, out] that multiplies a
    patch of the image, as in Jordan's own code.
    """

    def build(self, variables: list[keras.Variable]) -> None:
        """Takes the variables, of which the last is of the last layer."""
        self._last_layer = _layer(variables[-1])
        super().build(variables)

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) <= 1 or _layer(variable) == self._last_layer

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Returns the nearest orthogonal matrix."""
        matrix = tf.reshape(x, [-1, x.shape[-1]])
        return tf.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        """Returns an update at the size of Adam's."""
        return tf.reshape(super().lr_adjust(tf.reshape(x, [-1, x.shape[-1]])), x.shape)
