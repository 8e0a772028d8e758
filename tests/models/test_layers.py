"""The copy of a network that is trained."""

import keras
import numpy as np
import pytest

from mnist_exp.config.compose import compose
from mnist_exp.models import layers, networks

OPTIONS = ["mlp", "cnn", "deep_cnn"]


def built(option: str) -> keras.Model:
    model = compose([f"model={option}"]).config.model
    return networks.build(model.name, seed=0, **model.options())


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_it_has_the_same_weights_in_float32(option, policy):
    network = built(option)
    copy = layers.copy(network, policy)
    for weight, same in zip(network.weights, copy.weights, strict=True):
        assert same.path.split("/")[-2:] == weight.path.split("/")[-2:]
        np.testing.assert_array_equal(same.numpy(), weight.numpy(), strict=True)
    assert {layer.compute_dtype for layer in copy.layers} == {policy.removeprefix("mixed_")}


@pytest.mark.parametrize("option", OPTIONS)
def test_in_bfloat16_its_logits_are_close_and_not_the_same(option):
    network = built(option)
    copy = layers.copy(network, "mixed_bfloat16")
    exact, rough = (networks.predictor(model)(images(50)) for model in (network, copy))
    assert 0 < np.abs(exact - rough).max() < 0.1 * np.abs(exact).max()


def test_the_fused_batch_normalisation_is_that_of_keras():
    pixels = np.random.default_rng(1).normal(3, 2, (64, 6, 6, 8)).astype(np.float32)
    options = {"momentum": 0.9, "epsilon": 1e-3}
    theirs, ours = (
        kind(**options)
        for kind in (keras.layers.BatchNormalization, layers.FusedBatchNormalization)
    )
    for _ in range(3):
        expected, received = theirs(pixels, training=True), ours(pixels, training=True)
        np.testing.assert_allclose(received, expected, atol=1e-5)
    for weight, same in zip(theirs.weights, ours.weights, strict=True):
        # The moving variance is larger by the factor N / (N - 1), with 64 x 6 x 6 values in it.
        np.testing.assert_allclose(same.numpy(), weight.numpy(), rtol=1 / 2000)
    expected, received = theirs(pixels, training=False), ours(pixels, training=False)
    np.testing.assert_allclose(received, expected, atol=2e-3)
    assert theirs.moving_mean.numpy().max() > 0.5


def test_its_gradient_is_that_of_keras():
    import tensorflow as tf

    pixels = tf.constant(np.random.default_rng(2).normal(1, 3, (16, 4, 4, 3)), tf.float32)
    gradients = []
    for kind in (keras.layers.BatchNormalization, layers.FusedBatchNormalization):
        layer = kind()
        layer.build(pixels.shape)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            total = tf.reduce_sum(layer(pixels, training=True) ** 3)
        gradients.append(tape.gradient(total, [pixels, *layer.trainable_variables]))
    for expected, received in zip(*gradients, strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-2)


def nested() -> keras.Model:
    """A functional network with sums between layers, and a model with two layers in it."""
    image = keras.Input((28, 28, 1))
    block = keras.Sequential(
        [keras.layers.Conv2D(4, 3, padding="same"), keras.layers.BatchNormalization()]
    )
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.ops.relu(x + 0.5 * block(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_sums_between_layers_and_models_in_models_are_copied_too(policy):
    network = nested()
    copy = layers.copy(network, policy)
    assert keras.config.dtype_policy().name == "float32"
    for weight, same in zip(network.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(same.numpy(), weight.numpy(), strict=True)
    (block,) = (layer for layer in copy.layers if isinstance(layer, keras.Sequential))
    assert [type(layer).__name__ for layer in block.layers] == ["Conv2D", "FusedBatchNormalization"]
    assert {layer.compute_dtype for layer in block.layers} == {policy.removeprefix("mixed_")}
    exact, near = (networks.predictor(model)(images(20)) for model in (network, copy))
    np.testing.assert_allclose(near, exact, atol=0.1)
    assert (near == exact).all() == (policy == "float32")
