"""Every registered model, by the same few tests."""

import keras
import numpy as np
import pytest

from mnist_exp import models
from mnist_exp.config import compose

OPTIONS = ["mlp", "seed_mlp", "cnn", "fast_cnn", "deep_cnn"]


def built(option: str, *, seed: int = 0, dtype_policy: str = "float32") -> keras.Model:
    model = compose([f"model={option}"]).config.model
    return models.build(model.name, seed=seed, dtype_policy=dtype_policy, **model.options())


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_every_registered_model_is_an_option():
    assert {compose([f"model={option}"]).config.model.name for option in OPTIONS} == set(
        models.MODELS
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_logits_for_any_batch(option):
    predict = models.predictor(built(option))
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


@pytest.mark.parametrize("option", OPTIONS)
def test_mixed_precision_keeps_float32_weights_that_fit_the_twin(option):
    network, twin = built(option, dtype_policy="mixed_bfloat16"), built(option)
    assert {weight.dtype for weight in network.get_weights()} == {np.dtype(np.float32)}
    twin.set_weights(network.get_weights())
    pixels = images(50)
    exact, rough = models.predictor(twin)(pixels), models.predictor(network)(pixels)
    # bfloat16 keeps 8 bits: close, and not the same.
    assert 0 < np.abs(exact - rough).max() < 0.1 * np.abs(exact).max()
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("option", OPTIONS)
def test_the_classifier_is_of_built_in_layers(option, tmp_path):
    network = built(option)
    classifier = models.classifier(network)
    file = tmp_path / "model.keras"
    classifier.save(file)
    loaded = keras.saving.load_model(file, safe_mode=True)
    pixels = images(5)
    probabilities = loaded(pixels).numpy()
    assert probabilities.shape == (5, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities, classifier(pixels).numpy())
    logits = models.predictor(models.network_of(loaded))(pixels)
    np.testing.assert_array_equal(logits.argmax(axis=1), probabilities.argmax(axis=1))


def test_the_tutorials_network():
    assert built("seed_mlp").count_params() == 784 * 50 + 50 + 50 * 50 + 50 + 50 * 10 + 10
