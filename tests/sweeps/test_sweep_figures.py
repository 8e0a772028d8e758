"""What the figures of a sweep say and hold; how they look was judged by eye."""

import pytest
from legible import assert_legible, saved_size, title, written
from matplotlib.collections import LineCollection
from sweep_results import job, mixed, over_seeds

from mnist_exp.plots.scale import AccuracyScale, fitting
from mnist_exp.sweeps.results import figures, report
from mnist_exp.sweeps.results.exploration import Share

LONG = ("a_very_long_model_name_with_batch_norm", "a_very_long_model_name_without", "cnn")


def many_keys():
    values = (1, 2, 3, "[32,64]")
    return [
        job(
            n,
            [f"optimizer.key_number_{k}={values[(n + k * k) % 4]}" for k in range(9)],
            0.98 + n / 10_000,
        )
        for n in range(20)
    ]


SWEEPS = {
    "mixed": lambda: mixed(24),
    "all learnt": lambda: mixed(24, diverging=False),
    "long names": lambda: mixed(24, models=LONG),
    "300 configs": lambda: mixed(300),
    "nine keys": many_keys,
    "seeds": over_seeds,
    "one key": lambda: [job(n, [f"a=1e-{n}"], 0.95 + n / 100) for n in range(4)],
    "as given": lambda: [
        job(0, [], 0.99),
        job(1, ["model.dropout=0.5"], 0.98),
        job(2, ["model.dropout=0.75"], 0.97),
    ],
    "perfect": lambda: [job(n, [f"a={n}"], min(1.0, 0.8 + n / 10)) for n in range(5)],
    "nothing learnt": lambda: [job(n, [f"a={n}"], n / 1000) for n in range(5)],
    "hours": lambda: [job(n, [f"a={n}"], 0.9 + n / 100, seconds=9000) for n in range(5)],
}


@pytest.mark.parametrize("results", SWEEPS.values(), ids=SWEEPS)
def test_every_picture_is_legible_and_fits_the_artifact_pane(results, tmp_path):
    figures = report.pictures(results())
    assert "best_so_far" in figures
    for figure in figures.values():
        width, height = saved_size(figure, tmp_path)
        assert width == 900
        assert 130 <= height <= 800
        assert_legible(figure)


def test_only_pictures_that_show_something_are_drawn():
    assert set(report.pictures(mixed(24))) == {"best_so_far", "parallel_coordinates", "importance"}
    three = [job(n, [f"a={n}"], 0.9 + n / 100) for n in range(3)]
    assert set(report.pictures(three)) == {"best_so_far", "parallel_coordinates"}
    assert report.pictures(three[:2]) == {}  # the table says which is better
    assert report.pictures([*three[:2], job(2, ["a=3"], 0.9, outcome="pruned")]) == {}
    assert report.pictures([job(n, [], 0.9 + n / 100, seed=n) for n in range(3)]) == {}
    assert report.pictures([job(n, [f"a={n}"], 1.0) for n in range(20)]) == {}  # none is better
    words = [job(n, [f"model={name}"], 0.9 + n / 100) for n, name in enumerate("abc")]
    assert set(report.pictures(words)) == {"best_so_far"}  # lines would lie as in the ranking
    one_key = [job(n, [f"a={n}"], 0.9 + n / 1000) for n in range(20)]
    assert "importance" not in report.pictures(one_key)  # of all, it would have all


def test_titles_state_the_finding():
    results = [job(n, [f"a={n}"], value) for n, value in enumerate([0.95, 0.99, 0.97])]
    assert title(figures.parallel_coordinates(results)) == (
        "Parallel coordinates: 99.00 % validation accuracy is the best of 3 configs"
    )
    assert title(figures.best_so_far(results)) == (
        "Best so far: 99.00 % validation accuracy, reached with config 2 of 3"
    )
    shares = {"a": Share(0.2, 0.0, 0.5), "b": Share(0.8, 0.44, 0.97)}
    assert title(figures.importance(shares)) == "Importance: b explains 80 % (44 to 97)"


def test_parallel_coordinates_draw_finished_configs_the_best_on_top():
    [axes] = figures.parallel_coordinates(over_seeds()).axes
    configs = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(configs) == 4  # none that was pruned or failed
    best = configs[-1]
    assert list(best.get_ydata()) == [1, 0, 1]  # the best model on top; 0.001 below 0.01
    assert {"mlp", "cnn", "0.01", "0.001"} <= set(written(axes))


def test_best_so_far_shows_the_same_against_time_and_epochs():
    results = [job(n, [f"a={n}"], value) for n, value in enumerate([0.95, 0.99, 0.97])]
    times, epochs = figures.best_so_far(results).axes
    assert list(times.lines[0].get_xdata()) == [10, 20, 30]
    assert list(epochs.lines[0].get_xdata()) == [3, 6, 9]
    assert list(times.lines[0].get_ydata()) == [0, 1, 1]


def test_best_so_far_shows_the_range_of_the_seeds_of_each_config():
    results = [
        job(3 * n + seed, [f"a={n}"], 0.95 + 0.01 * n + 0.001 * seed * n, seed=seed)
        for n in range(3)
        for seed in range(3)
    ]
    figure = figures.best_so_far(results)
    assert "Bars: range of seeds." in figure.texts[1].get_text()
    scale = AccuracyScale([0.95, 0.96, 0.961, 0.962, 0.97, 0.972, 0.974])
    for axes in figure.axes:
        [ranges] = (found for found in axes.collections if isinstance(found, LineCollection))
        heights = [[y for _, y in segment] for segment in ranges.get_segments()]
        ends = [(0.96, 0.962), (0.97, 0.974)]
        assert heights == [pytest.approx([scale.height(end) for end in pair]) for pair in ends]
    assert "Bars" not in figures.best_so_far(results[::3]).texts[1].get_text()


def test_importance_has_a_bar_per_key_the_longest_first():
    values = {f"optimizer.key_{n}": Share(n / 435, n / 600, n / 300) for n in range(30)}
    [axes] = figures.importance(values).axes
    assert len(axes.patches) == 25
    assert axes.patches[0].get_width() == pytest.approx(100 * 29 / 435)
    assert list(axes.lines[0].get_xdata()) == pytest.approx([100 * 29 / 600, 100 * 29 / 300])
    assert axes.get_yticklabels()[0].get_text() == "optimizer.key_29"


def test_accuracies_that_hardly_learnt_lie_at_the_end_of_the_scale():
    scale = AccuracyScale([0.99, 0.985, 0.98, 0.1])
    assert [scale.height(value) for value in (0.99, 0.95, 0.1)] == pytest.approx([1, 0, 0])
    assert list(scale.ticks()) == ["99", "98", "\N{LESS-THAN OR EQUAL TO} 95"]


def test_half_of_the_configs_always_lie_on_the_scale():
    scale = AccuracyScale([0.999, 0.5, 0.4, 0.3])
    assert scale.height(0.5) > 0


@pytest.mark.parametrize("values", [[0.95], [1.0], [0.0], [1.0, 1.0], [0.0, 1.0], [0.95, 0.99]])
def test_every_scale_has_ticks_within_it(values):
    scale = AccuracyScale(values)
    assert scale.ticks()
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in scale.ticks().values())
    assert all(0 <= scale.height(value) <= 1 for value in values)


def test_a_scale_that_ends_with_its_worst_says_nothing_of_worse_ones():
    assert list(AccuracyScale([0.95, 0.99]).ticks()) == ["99", "98", "95"]


def test_long_names_lose_their_middle():
    assert fitting("short", 5) == "short"
    assert fitting("abcdefghij", 5) == "ab\N{HORIZONTAL ELLIPSIS}ij"


def test_a_value_with_dollars_is_no_formula(tmp_path):
    values = (r"a $\foo$ b", "c", "$5 and $6")
    results = [job(n, [f"model.note={values[n % 3]}", f"a={n}"], 0.98 + n / 1000) for n in range(6)]
    figure = figures.parallel_coordinates(results)
    saved_size(figure, tmp_path)
    assert "$5 and $6" in written(figure.axes[0])


@pytest.mark.parametrize(("low", "high"), [(0.0011, 0.0019), (0.0012, 0.0045)])
def test_a_narrow_logarithmic_axis_has_labels(low, high):
    rates = [low * (high / low) ** (n / 11) for n in range(12)]
    results = [job(n, [f"a.rate={rate!r}", f"b={n % 2}"], 0.98 + n / 1000) for n, rate in
               enumerate(rates)]  # fmt: skip
    texts = written(figures.parallel_coordinates(results).axes[0])
    assert sum(text.startswith("0.00") for text in texts) >= 2
