"""What the figures say and hold; how they look was judged by eye."""

import numpy as np
import pytest
from invoke import python
from legible import assert_legible, saved_size, title, written

from mnist_exp import plots
from mnist_exp.evaluation.metrics import evaluate
from mnist_exp.plots.grids import most_confident_mistakes, percent

LABELS = (np.arange(1000) % 10).astype(np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 256, size=(1000, 28, 28), dtype=np.uint8)
VERSIONS = IMAGES[:40].reshape(5, 8, 28, 28)


def evaluation(mistakes):
    """Returns an evaluation with this many mistakes, each surer than the one before."""
    logits = 9 * np.eye(10, dtype=np.float32)[LABELS]
    for index in range(mistakes):
        logits[index, (LABELS[index] + 1) % 10] = 10 + index / 100
    return evaluate(logits, LABELS)


def epochs(count, *, validation=True):
    number = np.arange(1, count + 1)
    table = {
        "train/loss": list(0.4 / number),
        "train/accuracy": list(1 - 0.09 / number),
        "learning_rate": [0.01] * count,
    }
    if validation:
        table |= {"val/loss": list(0.1 / number), "val/accuracy": list(1 - 0.02 / number)}
    return table


FIGURES = {
    "one epoch": lambda: plots.learning_curves(epochs(1)),
    "two epochs": lambda: plots.learning_curves(epochs(2)),
    "three epochs, many decades": lambda: plots.learning_curves(
        epochs(3) | {"learning_rate": [0.01, 1e-4, 1e-6], "train/loss": [1234.5, 1, 0.00123]}
    ),
    "ten epochs": lambda: plots.learning_curves(epochs(10)),
    "fifty epochs": lambda: plots.learning_curves(epochs(50)),
    "two hundred epochs": lambda: plots.learning_curves(epochs(200)),
    "no validation": lambda: plots.learning_curves(epochs(3, validation=False)),
    "no mistakes in the matrix": lambda: plots.confusion_matrix(evaluation(0).confusion),
    "a few in the matrix": lambda: plots.confusion_matrix(evaluation(7).confusion),
    "a large matrix": lambda: plots.confusion_matrix(np.full((10, 10), 6000)),
    "no mistakes": lambda: misclassified(0),
    "one mistake": lambda: misclassified(1),
    "four hundred mistakes": lambda: misclassified(400),
    "augmentation": lambda: plots.augmentation_preview(IMAGES[:5], VERSIONS),
    "no augmentation": lambda: plots.augmentation_preview(IMAGES[:5], IMAGES[:5][:, None]),
    "no augmentation of one": lambda: plots.augmentation_preview(IMAGES[:1], IMAGES[:1][:, None]),
    "one version": lambda: plots.augmentation_preview(IMAGES[:1], IMAGES[1:2][None]),
    "reliability": lambda: reliability(evaluation(400)),
    "perfect reliability": lambda: reliability(evaluation(0)),
}  # fmt: skip


def misclassified(mistakes):
    return plots.misclassified(IMAGES, LABELS, evaluation(mistakes).probabilities)


def reliability(result):
    return plots.reliability(result.calibration, result.ece)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_is_legible_and_fits_the_artifact_pane(draw, tmp_path):
    figure = draw()
    width, height = saved_size(figure, tmp_path)
    assert width == 900
    assert 140 <= height <= 800
    assert_legible(figure)


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    plots.save(reliability(evaluation(40)), tmp_path / "first.png")
    plots.save(reliability(evaluation(40)), tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (epochs(10), "best validation accuracy 99.80 % in epoch 10 of 10"),
        (
            epochs(3) | {"val/accuracy": [0.9, 0.98, 0.98], "val/loss": [0.3, 0.2, 0.1]},
            "best validation accuracy 98.00 % in epoch 3 of 3",  # as training chooses
        ),
        (epochs(1), "validation accuracy 98.00 % after one epoch"),
        (epochs(3, validation=False), "training accuracy 97.00 % after 3 epochs, no validation"),
        (epochs(1, validation=False), "training accuracy 91.00 % after one epoch, no validation"),
        (
            epochs(3) | {"train/loss": [0.4, np.nan, np.nan]},
            "diverged, the loss is not finite in epoch 2 of 3",
        ),
    ],
)
def test_learning_curves_state_the_finding(table, expected, tmp_path):
    figure = plots.learning_curves(table)
    assert title(figure) == f"Learning curves: {expected}"
    saved_size(figure, tmp_path)


def test_learning_curves_show_the_values_they_were_given():
    table = epochs(3)
    loss, error_rate, rate = plots.learning_curves(table).axes
    training, validation = loss.lines
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == table["train/loss"]
    assert list(validation.get_ydata()) == table["val/loss"]
    assert error_rate.lines[1].get_ydata() == pytest.approx([2, 1, 2 / 3])
    assert list(rate.lines[0].get_ydata()) == table["learning_rate"]
    assert len(plots.learning_curves(epochs(3, validation=False)).axes[0].lines) == 1


@pytest.mark.parametrize(("count", "tops"), [(1, 1), (3, 1), (4, 3), (10, 3)])
def test_a_few_epochs_take_a_third_of_the_width(count, tops):
    places = [axes.get_position() for axes in plots.learning_curves(epochs(count)).axes]
    assert len({place.y1 for place in places}) == tops


@pytest.mark.parametrize("count", [1, 2, 3, 10, 50, 200])
def test_epochs_are_whole_numbers_from_one(count):
    for axes in plots.learning_curves(epochs(count)).axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick >= 1 and tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("count", [1, 3, 10, 50, 200, 1000])
def test_lines_end_before_the_right_edge(count):
    for axes in plots.learning_curves(epochs(count)).axes:
        low, high = axes.get_xlim()
        assert (high - count) / (high - low) > 0.015
        assert low > 0


def test_more_than_a_decade_gets_a_log_scale():
    loss, _, rate = plots.learning_curves(epochs(3)).axes
    assert (loss.get_yscale(), rate.get_yscale()) == ("log", "linear")
    assert loss.get_title(loc="left") == "Loss (nats), log scale"
    flat = epochs(2, validation=False)
    assert plots.learning_curves(flat).axes[0].get_yscale() == "linear"
    perfect = epochs(3) | {"train/accuracy": [0.5, 0.9, 1.0]}
    assert plots.learning_curves(perfect).axes[1].get_yscale() == "linear"


def test_confusion_matrix_counts_and_leaves_zeros_out():
    figure = plots.confusion_matrix(evaluation(7).confusion)
    assert title(figure) == "Confusion matrix: 7 of 1,000 wrong (99.30 % correct)"
    (axes,) = figure.axes
    cells = {
        tuple(round(value) for value in text.get_position()): text.get_text()
        for text in axes.texts[:17]
    }
    assert cells == {(d, d): "99" if d < 7 else "100" for d in range(10)} | {
        (d + 1, d): "1" for d in range(7)
    }
    recall = ["99.00 %"] * 7 + ["100.00 %"] * 3
    assert written(axes)[17:] == ["Recognised", *recall]
    assert axes.get_ylabel() == "True digit"
    assert axes.get_xlabel() == "Predicted digit"


def test_a_digit_without_images_is_said():
    confusion = evaluation(0).confusion
    confusion[4] = 0
    assert "no images" in written(plots.confusion_matrix(confusion).axes[0])


@pytest.mark.parametrize(
    ("mistakes", "expected"),
    [
        (0, "none of 1,000"),
        (1, "1 of 1,000"),
        (40, "40 of 1,000, the most confident first"),
        (400, "400 of 1,000, here the 40 most confident mistakes"),
    ],
)
def test_misclassified_says_how_many_and_which(mistakes, expected):
    figure = misclassified(mistakes)
    assert title(figure) == f"Misclassified digits: {expected}"
    assert sum(len(axes.texts) for axes in figure.axes) == min(mistakes, 40)


def test_misclassified_shows_the_surest_first():
    probabilities = evaluation(400).probabilities
    order = most_confident_mistakes(LABELS, probabilities)
    assert order.tolist() == list(range(399, -1, -1))
    (axes,) = misclassified(400).axes
    first = percent(float(probabilities[399].max()))
    assert written(axes)[0] == f"9 \N{RIGHTWARDS ARROW} 0   {first}"
    canvas = axes.images[0].get_array()
    tile = 244 * (1 - IMAGES[399] / 255)
    assert np.array_equal(canvas[0:84:3, 11:95:3], tile.astype(np.uint8))


@pytest.mark.parametrize(
    ("probability", "text"),
    [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.123, "12.3 %"), (np.nan, "NaN")],
)
def test_only_certainty_is_a_hundred_percent(probability, text):
    assert percent(probability) == text


def test_augmentation_preview_knows_when_nothing_changes():
    originals = IMAGES[:5].astype(np.float32) / 255
    versions = np.stack([originals] * 4, axis=1)
    figure = plots.augmentation_preview(originals, versions)
    assert title(figure) == "Augmentation: none, training sees the digits as they are"
    (axes,) = figure.axes
    assert written(axes) == []
    canvas = axes.images[0].get_array()
    assert canvas.shape == (140, 5 * 146)  # each once
    tile = (244 * (1 - originals[4] / originals.max())).astype(np.uint8)
    assert np.abs(canvas[::5, 4 * 146 : 4 * 146 + 140 : 5].astype(int) - tile).max() <= 1
    assert title(plots.augmentation_preview(originals, versions[:, :, ::-1])) == (
        "Augmentation: 4 random versions of 5 training digits"
    )


def test_augmentation_preview_takes_any_range_and_overshoot():
    originals = IMAGES[:2]
    versions = originals[:, None] * np.float32(1.2) - 10
    bytes_ = plots.augmentation_preview(originals, versions).axes[0].images[0].get_array()
    originals, versions = originals / np.float32(255), versions / np.float32(255)
    floats = plots.augmentation_preview(originals, versions).axes[0].images[0].get_array()
    assert np.abs(bytes_.astype(int) - floats).max() <= 1
    assert bytes_[bytes_ != 255].max() <= 244


def test_reliability_states_error_and_side():
    result = evaluation(400)
    gap = float(result.probabilities.max(axis=1).mean()) - result.accuracy
    assert gap > 0
    assert title(reliability(result)) == (
        f"Reliability: calibration error (ECE) {100 * result.ece:.2f} %, "
        f"overconfident by {100 * gap:.2f} points"
    )
    certain = evaluate(1e3 * np.eye(10, dtype=np.float32)[LABELS], LABELS)
    assert title(reliability(certain)).endswith("0.00 %, neither over- nor underconfident")
    top, counts = reliability(result).axes
    assert top.get_ylabel() == "Accuracy (%)"
    assert sum(int(text.replace(",", "")) for text in written(counts)) == 1000


def test_a_diverged_model_is_drawn_as_such(tmp_path):
    result = evaluate(np.full((1000, 10), np.nan, dtype=np.float32), LABELS)
    figure = reliability(result)
    assert title(figure) == "Reliability: not measurable, the outputs are not finite"
    saved_size(figure, tmp_path)
    assert not written(figure.axes[1])  # no confidence has any image
    mistakes = plots.misclassified(IMAGES, LABELS, result.probabilities)
    assert "confident" not in title(mistakes)
    saved_size(mistakes, tmp_path)
    nothing = {key: [np.nan] * 2 for key in epochs(2)} | {"learning_rate": [0.1, 0.1]}
    saved_size(plots.learning_curves(nothing), tmp_path)


def test_pyplot_stays_out():
    code = "import sys; import mnist_exp.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    python(code, fresh=True, check=True)
