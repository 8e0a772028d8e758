"""What the figures of a comparison hold; how they look was judged by eye."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from legible import assert_legible, saved_size, written
from matplotlib.collections import LineCollection
from PIL import Image

from mnist_exp.commands.compare import figures
from mnist_exp.commands.compare.details import Recall, curve
from mnist_exp.core.statistics import Summary

SUMMARIES = [Summary(0.99 - n / 100, 0.001, 0.985 - n / 100, 0.995 - n / 100) for n in range(8)]


ABSENT = np.full((3, 10), np.nan)
ABSENT[:, 7] = 0.5
PERFECT = Summary(1.0, 0.0, 1.0, 1.0)


def curves(count, epochs, *, constant=False):
    values = [1.0 if constant else 1.0 / (epoch + 1) ** 2 for epoch in range(epochs)]
    return [
        curve([{e + 1: (1 + n) * v for e, v in enumerate(values)}, {1: values[0]}])
        for n in range(count)
    ]


def recalls(count):
    means = [np.linspace(0.9, 0.99, 10) - n / 50 for n in range(count)]
    return [Recall(mean, mean - 0.005, mean + 0.005) for mean in means]


def difference(scale):
    return (np.random.default_rng(0).normal(size=(10, 10)) * scale).round(1)


FIGURES = {
    "one accuracy": lambda: figures.accuracy("Test accuracy (%)", SUMMARIES[:1], (0.9, 1.0)),
    "eight accuracies": lambda: figures.accuracy("Test accuracy (%)", SUMMARIES, (0.9, 1.0)),
    "none measured": lambda: figures.accuracy("Val (%)", [None, SUMMARIES[0], None], (0.9, 1.0)),
    "beyond the scale": lambda: figures.accuracy("Test (%)", SUMMARIES[:2], (0.985, 0.991)),
    "all perfect": lambda: figures.accuracy("Test (%)", [PERFECT] * 2, (1.0, 1.0)),
    "one epoch": lambda: figures.learning_curve("Validation loss (nats)", curves(3, 1)),
    "ten epochs": lambda: figures.learning_curve("Validation loss (nats)", curves(8, 10)),
    "many epochs": lambda: figures.learning_curve("Validation loss (nats)", curves(3, 300)),
    "flat": lambda: figures.learning_curve("Training loss", curves(2, 5, constant=True)),
    "no curve of one": lambda: figures.learning_curve("Loss", [None, *curves(1, 5)]),
    "recall of one": lambda: figures.recall(recalls(1), range(5)),
    "recall of eight": lambda: figures.recall(recalls(8), range(5, 10)),
    "perfect recall": lambda: figures.recall([Recall(*np.ones((3, 10)))], range(5)),
    "recall of absent digits": lambda: figures.recall([Recall(*ABSENT)] * 2, range(5)),
    "small differences": lambda: figures.confusion_difference("B", difference(2), 5),
    "large differences": lambda: figures.confusion_difference("B", difference(9e3), 2e4),
    "no difference": lambda: figures.confusion_difference("H", np.zeros((10, 10)), 1),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_panel_is_legible_and_as_wide_as_a_phone(draw, tmp_path):
    figure = draw()
    assert saved_size(figure, tmp_path)[0] == 500
    assert_legible(figure)


def test_svg_is_the_same_every_time_and_names_no_other_file():
    first, second = (figures.svg(figures.recall(recalls(2), range(5))) for _ in range(2))
    assert first == second
    assert b"DOCTYPE" not in first
    links = [
        value
        for element in ET.fromstring(first).iter()
        for name, value in element.attrib.items()
        if name.endswith("href")
    ]
    assert links
    assert all(link.startswith("#") for link in links)


def test_a_line_goes_on_dotted_where_only_some_seeds_did():
    found = curve([{1: 4.0, 2: 3.0, 3: 2.0}, {1: 4.0, 2: 5.0}])
    dotted, line = figures.learning_curve("Loss", [found]).axes[0].lines
    assert dotted.get_ydata().tolist() == [4, 4, 2]
    assert line.get_ydata()[:2].tolist() == [4, 4]
    assert np.isnan(line.get_ydata()[2])
    assert dotted.get_linestyle() == ":"


@pytest.mark.parametrize("epochs", [1, 10, 300])
def test_curves_end_before_the_right_edge(epochs):
    low, high = figures.learning_curve("Loss", curves(2, epochs)).axes[0].get_xlim()
    assert (high - epochs) / (high - low) > 0.015
    assert low > 0


def test_an_interval_that_goes_beyond_the_scale_ends_in_an_arrow():
    wide, other = Summary(0.9, 0.1, 0.0, 1.0), Summary(0.91, 0.001, 0.909, 0.911)
    axes = figures.accuracy("Test (%)", [wide, other], (0.8, 0.95)).axes[0]
    left, right = axes.get_xlim()
    assert left > 79
    assert right < 96
    ends = [
        (line.get_marker(), line.get_xdata()[0]) for line in axes.lines if line.get_marker() in "<>"
    ]
    assert ends == [("<", left), (">", right)]


def test_the_confusion_difference_says_who_recognises_more():
    cells = np.zeros((10, 10))
    cells[4, 4], cells[4, 9], cells[2, 2] = 3, -3, 0.5
    figure = figures.confusion_difference("C", cells, 3)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "C \N{MINUS SIGN} A: 3.5 more recognised"
    assert written(axes) == ["+0.5", "+3.0", "\N{MINUS SIGN}3.0"]
    colours = axes.collections[0].get_array()
    blue = colours[4, 4]
    assert (colours[4, 9] == blue).all()  # fewer mistakes are as good as more hits
    assert blue[2] > blue[0]
    assert (colours[0, 0] == 1).all()
    nothing = figures.confusion_difference("C", cells * -1e-16, 3)
    assert nothing.axes[0].get_title(loc="left").endswith("A: as many recognised")


@pytest.mark.parametrize("values", [[2.4577311, 2.4577312, 2.4577314], [1e-4, 8e-5, 6e-5, 3e-5]])
def test_losses_that_hardly_differ_have_their_own_numbers(values, tmp_path):
    figure = figures.learning_curve("Loss", [curve([dict(enumerate(values, 1))])])
    saved_size(figure, tmp_path)
    assert_legible(figure)
    assert figure.axes[0].yaxis.get_offset_text().get_text() == ""


def test_one_epoch_shows_the_range_of_its_seeds():
    figure = figures.learning_curve("Loss", [curve([{1: 0.5}, {1: 0.7}])])
    [lines] = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert lines.get_segments()[0][:, 1].tolist() == [0.5, 0.7]


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0, 0, "0"), (3, 0, "+3"), (3, 1, "+3.0"), (-120.6, 1, "-121"), (-1189, 0, "-1.2k"),
     (4e4, 1, "+40k"), (-0.04, 1, "0.0")],
)  # fmt: skip
def test_differences_have_a_sign_and_few_characters(value, decimals, text):
    found = figures.signed(value, decimals=decimals)
    assert found == text.replace("-", "\N{MINUS SIGN}")


def test_a_digit_is_dark_on_light():
    pixels = np.zeros((28, 28), np.uint8)
    pixels[3, 5] = 255
    with Image.open(io.BytesIO(figures.digit_png(pixels))) as image:
        assert image.size == (28, 28)
        assert image.getpixel((5, 3)) == 0
        assert image.getpixel((0, 0)) == 244
