"""A network -> its copy for training: the same weights in another precision, and faster layers.

What is logged, exported and tested is built of Keras's own layers, in float32. Only the copy that
is trained holds the layers of this module.
"""

from typing import Any

import keras
import tensorflow as tf

from mnist_exp.models.networks import dtype_policy, seeded

_IMAGE_DIMENSIONS = 4  # [batch, height, width, channels]


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's batch normalisation, in training as one operation of TensorFlow's.

    Keras computes it in a dozen float32 operations, each of which goes through the whole batch; on
    two cores they took as long as all convolutions of `deep_cnn` together. The moving variance
    gets TensorFlow's unbiased estimate, larger than Keras's by one part in the pixels of a batch.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises a batch [batch, height, width, channels] in its own precision."""
        if not training or not self._is_usual(inputs):
            return super().call(inputs, training=training, mask=mask)
        normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return normalized

    def _is_usual(self, inputs: Any) -> bool:
        """Whether the operation, which is for images, does what this layer was asked for."""
        of_images = len(inputs.shape) == _IMAGE_DIMENSIONS and self.axis in (-1, 3)
        return of_images and self.scale and self.center and self.trainable and not self.renorm


def copy(network: keras.Model, policy: str) -> keras.Model:
    """Copies a network for training.

    Args:
        network: in float32, as Keras's Sequential or functional model, which may hold others.
        policy: of the copy: "float32", "mixed_bfloat16" or "mixed_float16".

    Returns:
        A model with the same weights, in the same order.
    """
    with seeded(0), dtype_policy(policy):  # its weights and generators are set later
        copied = keras.models.clone_model(network, clone_function=_clone, recursive=True)
    copied.set_weights(network.get_weights())
    return copied


def _clone(layer: Any) -> Any:
    if not isinstance(layer, keras.Layer):
        return layer  # an operation between layers, such as a sum, which has no state
    kind = type(layer)
    if kind is keras.layers.BatchNormalization:
        kind = FusedBatchNormalization
    return kind.from_config(_without_float32(layer.get_config()))


def _without_float32(config: Any) -> Any:
    """Returns the config of a layer, and of those in it, without the policy that it was made by."""
    if isinstance(config, list | tuple):
        return type(config)(map(_without_float32, config))
    if not isinstance(config, dict):
        return config
    return {
        key: _without_float32(value)
        for key, value in config.items()
        if key != "dtype" or _name_of_policy(value) != "float32"
    }


def _name_of_policy(value: Any) -> Any:
    return value["config"]["name"] if isinstance(value, dict) and "config" in value else value
