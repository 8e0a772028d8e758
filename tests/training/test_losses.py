"""Every registered loss, by the same few tests; then what each one is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.config.problems import ConfigError
from mnist_exp.training.losses import cross_entropy, focal

LABELS = np.arange(50) % 10
TARGETS = np.eye(10, dtype=np.float32)[LABELS]
LOGITS = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
HEAVY = tuple(float(digit == 3) * 4 + 1 for digit in range(10))


@pytest.mark.parametrize("name", components.named("loss"))
@pytest.mark.parametrize("logits", [LOGITS, 1e4 * LOGITS], ids=["usual", "sure"])
def test_finite_of_each_image_and_less_for_the_right_digit(name, logits):
    loss = components.build("loss", compose([f"loss={name}"]).config.loss)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        losses = loss(tf.constant(TARGETS), variable)
    assert losses.shape == (50,)
    assert losses.dtype == tf.float32
    assert np.isfinite(losses).all()
    gradient = tape.gradient(losses, variable).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[TARGETS == 1] <= 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_that_of_keras(smoothing):
    theirs = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )
    ours = cross_entropy(label_smoothing=smoothing, class_weights=None)
    np.testing.assert_allclose(ours(TARGETS, LOGITS), theirs(TARGETS, LOGITS), rtol=1e-5)


def test_a_label_alone_is_the_sparse_cross_entropy():
    sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, LOGITS)
    ours = cross_entropy(label_smoothing=0.0, class_weights=None)
    np.testing.assert_allclose(ours(TARGETS, LOGITS), sparse, rtol=1e-6)


def test_the_focal_loss_is_that_of_keras_and_without_focus_cross_entropy():
    theirs = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=2.0, from_logits=True, reduction=None
    )
    ours = focal(focus=2.0, class_weights=None)
    np.testing.assert_allclose(ours(TARGETS, LOGITS), theirs(TARGETS, LOGITS), rtol=1e-4)
    plain = cross_entropy(label_smoothing=0.0, class_weights=None)(TARGETS, LOGITS)
    np.testing.assert_allclose(focal(focus=0.0, class_weights=None)(TARGETS, LOGITS), plain, 1e-5)


@pytest.mark.parametrize(
    ("loss", "options"), [(cross_entropy, {"label_smoothing": 0.1}), (focal, {"focus": 2.0})]
)
def test_a_weight_multiplies_the_loss_of_its_digit(loss, options):
    even = loss(**options, class_weights=None)(TARGETS, LOGITS).numpy()
    uneven = loss(**options, class_weights=HEAVY)(TARGETS, LOGITS).numpy()
    np.testing.assert_allclose(uneven, even * np.where(LABELS == 3, 5, 1), rtol=1e-5)


def test_there_are_ten_weights():
    with pytest.raises(ConfigError, match=r"loss.class_weights"):
        compose(["loss.class_weights=[1,2]"])
