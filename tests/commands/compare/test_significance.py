"""Each config against the first, on hand-made predictions."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from made_runs import predicted, record, sweep

from mnist_exp.commands.compare.groups import group
from mnist_exp.commands.compare.significance import Looks, by_seeds, findings
from mnist_exp.core.statistics import LEVEL

REPETITIONS = 1500
LABELS = np.tile(np.arange(10, dtype=np.uint8), 1000)


def wrong(*places: int):
    return predicted({place: int(LABELS[place] + 1) % 10 for place in places}, LABELS)


def pair(first, second, *, seeds=(0, 0)):
    runs = [
        record("a", seed=seeds[0], **{"training.epochs": "1"}),
        record("b", seed=seeds[1], **{"training.epochs": "2"}),
    ]
    return findings(group(runs), {"a": first, "b": second}, Looks(2, last=False))[1]


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)])
def test_two_runs_are_compared_image_by_image(seeds):
    """One image for, seven against: example 1 of Fagerland, Lydersen and Laake (2013)."""
    found = pair(wrong(0), wrong(*range(1, 8)), seeds=seeds)
    assert found.method == "McNemar"
    assert found.p == found.adjusted == pytest.approx(0.0703, abs=5e-5)
    assert found.difference == pytest.approx(-6 / 10_000)
    assert found.words == (
        "not distinguishable; 1 against 7 images of two runs; seeds of each would tell of the "
        "configs"
    )


def test_runs_that_agree_are_not_distinguishable():
    found = pair(wrong(1, 2), wrong(1, 2))
    assert found.p == 1.0
    assert found.words.startswith("not distinguishable; 0 against 0 images of two runs")


def test_a_run_that_is_worse_or_better_says_so():
    assert pair(wrong(), wrong(*range(20))).words == "worse on test: this run, not its config"
    assert pair(wrong(*range(20)), wrong()).words == "better on test: this run, not its config"


def groups_of(*mistakes, seeds=5, looks=2):
    """Configs by how many images each of their seeds gets wrong."""
    runs, predictions = [], {}
    for config, counts in enumerate(mistakes):
        for seed, count in enumerate(counts[:seeds]):
            run_id = f"{config}-{seed}"
            runs.append(record(run_id, seed=seed, **{"training.epochs": str(config)}))
            predictions[run_id] = wrong(*range(count))
    return findings(group(runs), predictions, Looks(looks, last=looks == 1))


def test_groups_are_compared_seed_by_seed():
    none, found = groups_of([70, 80, 75, 90, 85], [170, 185, 172, 188, 189])
    assert none is None
    assert found.method == "paired t"
    assert found.difference == pytest.approx(-0.01008)
    assert found.significant
    assert found.words == "worse on test"


def test_groups_that_cannot_be_told_apart_say_how_many_seeds_would():
    """Differences 2, -1, 3, 0, 1 of 10,000: mean 1, deviation 1.58.

    So 27 pairs have a power of 0.8 at a level of 0.025, which two looks leave to each.
    """
    found = groups_of([80, 80, 80, 80, 80], [78, 81, 77, 80, 79])[1]
    assert not found.significant
    assert found.words == (
        "not distinguishable; about 27 new seeds would tell (80 % chance, if it is as measured)"
    )


def test_p_of_groups_is_for_all_looks_together():
    first, other = [80, 80, 80, 80, 80], [78, 79, 77, 80, 78]
    once, twice, often = (groups_of(first, other, looks=looks)[1] for looks in (1, 2, 50))
    assert twice.p == pytest.approx(2 * once.p)
    assert often.p == often.adjusted == 1
    assert (once.significant, twice.significant) == (True, False)
    assert groups_of(first, first, looks=1)[1].words == "not distinguishable"  # another is not due
    assert pair(wrong(0), wrong(*range(1, 8))).p == pytest.approx(0.0703, abs=5e-5)


def false_alarms(looks):
    """Returns how often two configs that do not differ are told apart within so many looks.

    Five seeds each; then as many new ones as the verdict names, until a test finds a difference.
    """
    draw = np.random.default_rng(0)
    alarms = 0
    for _ in range(REPETITIONS):
        seeds = 5
        for _ in range(looks):
            differences = draw.normal(0, 0.001, seeds).round(4).tolist()
            found = by_seeds(differences, 10_000, Looks(looks, last=False))
            named = re.search(r"about ([\d,]+) new", found.remark)
            alarms += found.p < LEVEL
            if found.p < LEVEL or named is None:
                break
            seeds = int(named[1].replace(",", ""))
    return alarms / REPETITIONS


@pytest.mark.parametrize("looks", [2, 4])
def test_who_runs_the_seeds_that_would_tell_is_misled_in_5_percent_at_most(looks):
    assert 0.01 < false_alarms(looks) < LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / REPETITIONS)


def test_more_seeds_have_to_pass_the_correction_too():
    first, other = [80, 80, 80, 80, 80], [78, 81, 77, 80, 79]
    alone = groups_of(first, other)[1].words
    among_others = groups_of(first, other, [79, 82, 78, 80, 80], [80, 82, 77, 81, 80])[1].words
    seeds = [int(words.partition("about ")[2].split()[0]) for words in (alone, among_others)]
    assert seeds[1] > seeds[0] == 27


def test_groups_without_any_difference_promise_nothing():
    found = groups_of([80, 80, 80], [81, 79, 80])[1]
    assert found.p == 1.0
    assert found.words == "not distinguishable; 1,000 seeds would not tell, if it is as measured"


def test_p_is_corrected_for_the_number_of_tests():
    found = groups_of([80] * 3, [80, 84, 86], [80, 85, 91], [70, 80, 90], looks=1)
    assert [one.adjusted >= one.p for one in found[1:]] == [True, True, True]
    least = min(found[1:], key=lambda one: one.p)
    assert least.adjusted == pytest.approx(3 * least.p)


def test_only_shared_seeds_are_paired():
    runs, predictions = sweep({"cnn": 0.9, "mlp": 0.8}, seeds=3)
    for run in runs[3:]:
        run.params["seed"] = str(int(run.params["seed"]) + 10)
    found = findings(group(runs), predictions, Looks(2, last=False))[1]
    assert found.method == ""
    assert found.words == "not tested: no seed in common"
    assert found.difference is None
    runs[3].params["seed"] = "1"
    found = findings(group(runs), predictions, Looks(2, last=False))[1]
    assert found.method == "McNemar"
    assert "only seed 1 is shared" in found.remark
    told = replace(found, adjusted=0.001, difference=0.1).words
    assert told == "better on test: seed 1 alone, not its config"
