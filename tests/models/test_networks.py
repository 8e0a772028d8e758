"""Every registered model, by the same few tests."""

import random

import keras
import numpy as np
import pytest

from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.config.hydra import config_folder
from mnist_exp.models import networks

OPTIONS = sorted(file.stem for file in (config_folder() / "model").glob("*.yaml"))


def built(option: str, *, seed: int = 0) -> keras.Model:
    model = compose([f"model={option}"]).config.model
    return networks.build(model.name, seed=seed, **model.options())


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_every_registered_model_is_an_option():
    assert {compose([f"model={option}"]).config.model.name for option in OPTIONS} == set(
        components.named("model")
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_logits_for_any_batch(option):
    predict = networks.predictor(built(option))
    for count in (0, 1, 7, 1003):
        logits = predict(images(count))
        assert logits.shape == (count, 10)
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()


@pytest.mark.parametrize("option", OPTIONS)
def test_the_seed_alone_decides_the_weights(option):
    first, again, other = built(option, seed=3), built(option, seed=3), built(option, seed=4)
    assert first.count_params() > 0
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_building_leaves_the_random_numbers_of_the_caller_alone():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002 - a caller's

    before = states()
    built("cnn")
    assert states() == before


@pytest.mark.parametrize("option", OPTIONS)
def test_the_classifier_is_of_built_in_layers(option, tmp_path):
    network = built(option)
    classifier = networks.classifier(network)
    file = tmp_path / "model.keras"
    classifier.save(file)
    loaded = keras.saving.load_model(file, safe_mode=True)
    pixels = images(5)
    probabilities = loaded(pixels).numpy()
    assert probabilities.shape == (5, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities, classifier(pixels).numpy())
    logits = networks.predictor(networks.network_of(loaded))(pixels)
    np.testing.assert_array_equal(logits.argmax(axis=1), probabilities.argmax(axis=1))


def test_the_tutorials_network():
    assert built("seed_mlp").count_params() == 784 * 50 + 50 + 50 * 50 + 50 + 50 * 10 + 10


def test_an_ensemble_has_the_mean_probability_of_its_networks():
    members = [built("seed_mlp", seed=seed) for seed in range(3)]
    pixels = images(1003)
    each = [networks.predictor(network)(pixels) for network in members]
    network = networks.ensemble(members)
    assert network.count_params() == 3 * members[0].count_params()
    logits = networks.predictor(network)(pixels)
    mean = np.mean([keras.ops.softmax(one) for one in each], axis=0)
    np.testing.assert_allclose(np.exp(logits), mean, rtol=1e-4, atol=1e-7)


def test_an_ensemble_of_networks_that_are_sure_has_finite_logits():
    members = []
    for seed, digit in enumerate((3, 3, 5)):
        network = built("seed_mlp", seed=seed)
        *others, bias = network.get_weights()
        bias[digit] = 1000  # the probability of every other digit is 0 in float32
        network.set_weights([*others, bias])
        members.append(network)
    logits = networks.predictor(networks.ensemble(members))(images(5))
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(np.exp(logits[:, [3, 5]]), [[2 / 3, 1 / 3]] * 5, rtol=1e-5)


def test_an_ensemble_is_of_built_in_parts(tmp_path):
    classifier = networks.classifier(networks.ensemble([built("cnn"), built("cnn", seed=1)]))
    file = tmp_path / "model.keras"
    classifier.save(file)
    loaded = keras.saving.load_model(file, safe_mode=True)
    pixels = images(5)
    np.testing.assert_array_equal(loaded(pixels).numpy(), classifier(pixels).numpy())
    logits = networks.predictor(networks.network_of(loaded))(pixels)
    np.testing.assert_allclose(np.exp(logits), loaded(pixels).numpy(), rtol=1e-4)


def test_the_tiny_one_is_tiny():
    assert built("tiny").count_params() < 10_000


def test_a_pool_stands_before_batch_norm():
    names = [layer.name for layer in built("fast_cnn").layers]
    assert names[:4] == ["conv_1", "pool_1", "norm_1", "activation_1"]


@pytest.mark.parametrize(
    ("pools", "side"), [("null", 5), ("[2,2]", 5), ("[3,2]", 3), ("[1,2]", 12)]
)
def test_the_pools_behind_each_convolution(pools, side):
    model = compose(["model=cnn", f"model.pool_sizes={pools}"]).config.model
    network = networks.build(model.name, seed=0, **model.options())
    assert network.get_layer("pool_2").output.shape[1:3] == (side, side)


@pytest.mark.parametrize(("sizes", "side"), [("3", 11), ("[5,3]", 10)])
def test_kernels_of_each_block(sizes, side):
    overrides = ["model=deep_cnn", "model.blocks=[[4],[4]]", f"model.kernel_size={sizes}"]
    model = compose(overrides).config.model
    network = networks.build(model.name, seed=0, **model.options())
    assert network.get_layer("conv_2_1").output.shape[1:3] == (side, side)
