"""Each config against the first, on hand-made predictions."""

import numpy as np
import pytest
from made_runs import predicted, record, sweep

from mnist_exp.commands.compare.groups import group
from mnist_exp.commands.compare.significance import findings

LABELS = np.tile(np.arange(10, dtype=np.uint8), 1000)


def wrong(*places: int):
    return predicted({place: int(LABELS[place] + 1) % 10 for place in places}, LABELS)


def pair(first, second, *, seeds=(0, 0)):
    runs = [
        record("a", seed=seeds[0], **{"training.epochs": "1"}),
        record("b", seed=seeds[1], **{"training.epochs": "2"}),
    ]
    return findings(group(runs), {"a": first, "b": second})[1]


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)])
def test_two_runs_are_compared_image_by_image(seeds):
    """One image for, seven against: example 1 of Fagerland, Lydersen and Laake (2013)."""
    found = pair(wrong(0), wrong(*range(1, 8)), seeds=seeds)
    assert found.method == "McNemar"
    assert found.p == found.adjusted == pytest.approx(0.0703, abs=5e-5)
    assert found.difference == pytest.approx(-6 / 10_000)
    assert found.words == (
        "not distinguishable; 1 against 7 images; several seeds of each would say more"
    )


def test_runs_that_agree_are_not_distinguishable():
    found = pair(wrong(1, 2), wrong(1, 2))
    assert found.p == 1.0
    assert found.words.startswith("not distinguishable; 0 against 0 images")


def test_a_run_that_is_worse_or_better_says_so():
    assert pair(wrong(), wrong(*range(20))).words == "worse on test"
    assert pair(wrong(*range(20)), wrong()).words == "better on test"


def groups_of(*mistakes, seeds=5):
    """Configs by how many images each of their seeds gets wrong."""
    runs, predictions = [], {}
    for config, counts in enumerate(mistakes):
        for seed, count in enumerate(counts[:seeds]):
            run_id = f"{config}-{seed}"
            runs.append(record(run_id, seed=seed, **{"training.epochs": str(config)}))
            predictions[run_id] = wrong(*range(count))
    return findings(group(runs), predictions)


def test_groups_are_compared_seed_by_seed():
    none, found = groups_of([70, 80, 75, 90, 85], [170, 185, 172, 188, 189])
    assert none is None
    assert found.method == "paired t"
    assert found.difference == pytest.approx(-0.01008)
    assert found.significant
    assert found.words == "worse on test"


def test_groups_that_cannot_be_told_apart_say_how_many_seeds_would():
    """Differences 2, -1, 3, 0, 1 of 10,000: mean 1, deviation 1.58, so 22 pairs have 0.8 power."""
    found = groups_of([80, 80, 80, 80, 80], [78, 81, 77, 80, 79])[1]
    assert not found.significant
    assert found.words == "not distinguishable; about 17 more seeds would tell"


def test_more_seeds_have_to_pass_the_correction_too():
    first, other = [80, 80, 80, 80, 80], [78, 81, 77, 80, 79]
    alone = groups_of(first, other)[1].words
    among_others = groups_of(first, other, [79, 82, 78, 80, 80], [80, 82, 77, 81, 80])[1].words
    seeds = [int(words.partition("about ")[2].split()[0]) for words in (alone, among_others)]
    assert seeds[1] > seeds[0] == 17


def test_groups_without_any_difference_promise_nothing():
    found = groups_of([80, 80, 80], [81, 79, 80])[1]
    assert found.p == 1.0
    assert found.words == "not distinguishable; 1,000 seeds would not tell"


def test_p_is_corrected_for_the_number_of_tests():
    found = groups_of([80] * 3, [80, 84, 86], [80, 85, 91], [70, 80, 90])
    assert [one.adjusted >= one.p for one in found[1:]] == [True, True, True]
    least = min(found[1:], key=lambda one: one.p)
    assert least.adjusted == pytest.approx(3 * least.p)


def test_only_shared_seeds_are_paired():
    runs, predictions = sweep({"cnn": 0.9, "mlp": 0.8}, seeds=3)
    for run in runs[3:]:
        run.params["seed"] = str(int(run.params["seed"]) + 10)
    found = findings(group(runs), predictions)[1]
    assert found.method == ""
    assert found.words == "not tested: no seed in common"
    runs[3].params["seed"] = "1"
    found = findings(group(runs), predictions)[1]
    assert found.method == "McNemar"
    assert "only seed 1 is shared" in found.remark
