"""What the page shows beside the table, on numbers that can be checked by hand."""

import numpy as np
import pytest
from made_runs import LABELS, predicted, record, sweep

from mnist_exp import data
from mnist_exp.commands.compare.details import (
    MOST_IMAGES,
    NONE,
    SHOWN,
    curve,
    details,
    dividing,
    majority,
)


def test_a_curve_is_the_mean_of_the_seeds_that_came_so_far():
    nan, infinite = float("nan"), float("inf")
    found = curve([{1: 0.5, 2: 0.25}, {1: 1.5, 2: 0.75, 3: 1.0}, {1: 1.0, 2: nan, 3: infinite}])
    assert found.epochs.tolist() == [1, 2, 3]
    assert found.mean.tolist() == [1.0, 0.5, 1.0]
    assert found.low.tolist() == [0.5, 0.25, 1.0]
    assert found.high.tolist() == [1.5, 0.75, 1.0]
    assert found.seeds.tolist() == [3, 2, 1]


def test_a_curve_has_only_what_can_be_drawn():
    assert curve([{}, {}]) is None
    assert curve([{1: float("nan"), 0: 1.0, -5: 1.0, 2: 1e300}]) is None


def test_curves_are_read_of_every_seed(three_by_five, curves):
    found = details(three_by_five, curves)
    assert list(found.curves) == ["train/loss", "val/loss", "train/accuracy", "val/accuracy"]
    first, second, _ = found.curves["train/loss"]
    assert first.mean == pytest.approx([1.2 / epoch**2 for epoch in range(1, 6)])
    assert (first.low[0], first.high[0]) == pytest.approx((1.0, 1.4))
    assert second.mean[0] == pytest.approx(1.7)
    assert second.seeds.tolist() == [5] * 5
    assert found.curves_missing == ""


def test_a_metric_that_no_run_has_is_left_out(compared, curves):
    runs, predictions = sweep({"cnn": 0.97, "mlp": 0.94})
    curves.values["mlp-0", "train/loss"] = {1: 0.5}
    found = details(compared(runs, predictions), curves)
    assert list(found.curves) == ["train/loss"]
    assert found.curves["train/loss"][0] is None


def test_a_store_that_does_not_answer_costs_only_the_curves(three_by_five, curves):
    curves.problem = ConnectionError("refused\nby somebody")
    found = details(three_by_five, curves)
    assert (found.curves, found.curves_missing) == ({}, "refused")
    assert len(found.recall) == 3


def two(compared, first, second, labels=LABELS):
    """Compares two runs of one seed each."""
    runs = [record(name, **{"model.name": name}) for name in ("cnn", "mlp")]
    return compared(runs, {"cnn": predicted(first, labels), "mlp": predicted(second, labels)})


def test_recall_and_confusion_count_by_true_digit(compared, curves):
    labels = np.array([0, 0, 0, 0, 1, 1, 9], np.uint8)
    found = details(two(compared, {0: 6}, {0: 6, 1: 6, 4: 7}, labels), curves)
    first, second = found.recall
    assert first.mean[[0, 1, 9]].tolist() == [0.75, 1.0, 1.0]
    assert second.mean[[0, 1, 9]].tolist() == [0.5, 0.5, 1.0]
    assert np.isnan(first.mean[2:9]).all()
    difference = found.confusion[1] - found.confusion[0]
    cells = {(0, 0): -1, (0, 6): 1, (1, 1): -1, (1, 7): 1}
    assert {tuple(map(int, cell)): difference[*cell] for cell in np.argwhere(difference)} == cells
    assert found.confusion.sum(axis=(1, 2)).tolist() == [7, 7]


def test_recall_and_confusion_are_means_over_seeds(compared, curves):
    runs = [record(f"cnn-{seed}", seed=seed) for seed in range(2)]
    predictions = {"cnn-0": predicted({0: 5, 10: 5}), "cnn-1": predicted({0: 5})}
    found = details(compared(runs, predictions), curves)
    (recall,) = found.recall
    assert (recall.mean[0], recall.low[0], recall.high[0]) == pytest.approx((0.925, 0.9, 0.95))
    assert found.confusion[0, 0, [0, 5]].tolist() == [18.5, 1.5]


def test_a_config_says_what_most_of_its_seeds_say():
    labels = np.array([3, 3, 3], np.uint8)
    seeds = [predicted(m, labels) for m in ({0: 8, 2: 8}, {0: 8}, {0: 5, 1: 5})]
    digits, shares = majority(seeds)
    assert digits.tolist() == [8, 3, 3]
    assert shares == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    digits, shares = majority(seeds[1:])
    assert (digits.tolist(), shares.tolist()) == ([NONE, NONE, 3], [0, 0, 1])


def test_images_come_by_pairs_of_votes_then_by_how_sure_they_are():
    digits = np.array([[1, 1, 1, 1, 1], [1, 1, 2, 1, 1], [1, 2, 3, 1, 2], [1, 2, 2, 2, 1]])
    shares = np.ones(digits.shape)
    shares[0, 3] = 0.6
    # Pairs: 0, 4, 5, 3, 3.
    assert dividing(digits, shares).tolist() == [2, 1, 4, 3]


def test_a_config_whose_seeds_are_divided_has_no_vote(compared, curves):
    runs = [
        record(f"{model}-{seed}", seed=seed, **{"model.name": model})
        for model in ("cnn", "mlp")
        for seed in (0, 1)
    ]
    predictions = {
        "cnn-0": predicted({3: 5, 7: 1}),
        "cnn-1": predicted({7: 1}),
        "mlp-0": predicted({12: 7}),
        "mlp-1": predicted({}),
    }
    found = details(compared(runs, predictions), curves).disagreement
    assert [(image.number, image.digits) for image in found.images] == [(7, (1, 7))]
    assert found.total == 1


def test_disagreement_names_who_says_what(compared, curves):
    comparison = two(compared, {3: 5, 7: 1}, {7: 1, 12: 7})
    found = details(comparison, curves).disagreement
    assert [(i.number, i.label, i.digits) for i in found.images] == [
        (3, 3, (5, 3)),
        (12, 2, (2, 7)),
    ]
    assert (found.total, found.voters) == (2, ())


def test_of_many_images_the_first_are_shown(compared, curves):
    taken_for_five = dict.fromkeys((i for i in range(200) if i % 10 in (0, 1, 2)), 5)
    found = details(two(compared, {}, taken_for_five), curves).disagreement
    assert (len(found.images), found.total) == (MOST_IMAGES, 60)


def test_the_seeds_of_a_single_config_disagree_among_themselves(compared, curves):
    runs = [record(f"cnn-{seed}", seed=seed) for seed in (4, 2)]
    predictions = {"cnn-4": predicted({5: 6}), "cnn-2": predicted({})}
    found = details(compared(runs, predictions), curves).disagreement
    assert found.voters == ("seed 2", "seed 4")
    assert [(image.number, image.digits) for image in found.images] == [(5, (5, 6))]
    alone = details(compared(runs[:1], predictions), curves).disagreement
    assert (alone.images, alone.total, alone.missing) == ((), 0, "")


def on_digits(compared, artifacts, labels):
    """Compares two runs on data=digits that disagree on the image 17."""
    runs = [record(name, folder=artifacts, **{"model.name": name}) for name in ("cnn", "mlp")]
    other = int(labels[17] + 1) % 10
    return compared(runs, {"cnn": predicted({}, labels), "mlp": predicted({17: other}, labels)})


@pytest.fixture
def digits():
    return data.load("digits", seed=0, validation_images=0, train_images=None).test


def test_images_come_from_the_data_that_the_first_run_recorded(compared, curves, artifacts, digits):
    found = details(on_digits(compared, artifacts, digits.labels), curves).disagreement
    (image,) = found.images
    assert (image.pixels == digits.images[17]).all()
    assert found.missing == ""


def test_other_images_are_not_shown(compared, curves, artifacts, digits):
    labels = digits.labels[::-1].copy()
    found = details(on_digits(compared, artifacts, labels), curves).disagreement
    (image,) = found.images
    assert image.pixels is None
    assert "not those that the runs were tested on" in found.missing


def test_without_the_data_the_reason_is_given(three_by_five, curves):
    found = details(three_by_five, curves).disagreement
    assert found.missing.startswith("Expected the artifact config/resolved.yaml of run")
    assert all(image.pixels is None for image in found.images)


def test_differences_hold_every_key_with_the_value_of_each_config(compared, curves):
    runs = [
        record("1", **{"model.name": "cnn", "model.dropout": "0.25", "training.threads": "1"}),
        record("2", **{"model.name": "mlp", "training.threads": "2"}),
    ]
    found = details(compared(runs, {"1": predicted({}), "2": predicted({})}), curves)
    assert found.differences == {
        "model.name": ["cnn", "mlp"],
        "model.dropout": ["0.25", None],
    }


def test_details_are_of_the_first_configs(compared, curves):
    models = {f"model_{n}": 0.99 - n / 100 for n in range(SHOWN + 2)}
    comparison = compared(*sweep(models, seeds=1))
    found = details(comparison, curves)
    assert found.rows == comparison.rows[:SHOWN]
    assert len(found.recall) == len(found.confusion) == SHOWN
    assert len(found.differences["model.name"]) == SHOWN
    assert len(found.disagreement.images[0].digits) == SHOWN
