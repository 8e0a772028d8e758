"""The plots of a run are the same wherever they are drawn."""

import os
import signal

import numpy as np
import pytest

from mnist_exp.core.sidecar import Sidecar
from mnist_exp.evaluation.metrics import evaluate
from mnist_exp.runs.figures import Drawing, Subject, draw

NAMES = {"confusion_matrix", "misclassified", "reliability", "augmentation_preview"}


@pytest.fixture
def subject() -> Subject:
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 200).astype(np.uint8)
    logits = random.normal(size=(200, 10)).astype(np.float32)
    images = random.integers(0, 256, (200, 28, 28)).astype(np.uint8)
    augmented = np.repeat(images[:3, None], 4, axis=1).astype(np.float32)
    history = {
        "train/loss": [1.0, 0.5],
        "train/accuracy": [0.5, 0.9],
        "learning_rate": [0.1, 0.01],
    }
    return Subject(history, evaluate(logits, labels), images, images[:3], augmented)


def test_the_process_beside_draws_what_would_be_drawn_here(subject):
    drawn = Drawing(subject).plots()
    assert set(drawn) == NAMES | {"learning_curves"}
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())
    assert drawn == draw(subject)


def test_an_ensemble_has_no_curves(subject):
    ensemble = Subject({}, subject.result, subject.images, subject.originals, subject.augmented)
    assert set(draw(ensemble)) == NAMES


def test_where_the_process_dies_the_plots_are_drawn_here(subject):
    drawing = Drawing(subject)
    os.kill(Sidecar.current().submit(os.getpid).result(), signal.SIGKILL)
    assert set(drawing.plots()) == NAMES | {"learning_curves"}
