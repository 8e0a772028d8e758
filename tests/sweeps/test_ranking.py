"""Which config won: seeds together, by validation accuracy alone."""

import dataclasses
import math
import os
import shlex

import pytest
from sweep_results import FIXED, job, over_seeds

from mnist_exp.core.statistics import mean_interval, wilson_interval
from mnist_exp.sweeps.results.ranking import ranking, swept_keys, varying_keys, winner_command
from mnist_exp.sweeps.results.wording import ranks


def test_seeds_are_one_row_with_the_interval_of_their_mean():
    values = [0.990, 0.992, 0.994]
    [row] = ranking([job(n, ["model=cnn"], v, seed=n) for n, v in enumerate(values)])
    assert (row.overrides, row.jobs, row.seeds) == (("model=cnn",), (0, 1, 2), (0, 1, 2))
    assert row.values == tuple(values)
    assert row.mean == pytest.approx(0.992)
    assert row.deviation == pytest.approx(0.002)
    assert (row.low, row.high) == mean_interval(values)
    assert row.test_accuracy == pytest.approx(0.993)
    assert row.seconds == 10


def test_a_row_is_what_its_first_job_is():
    first = job(0, ["model=cnn", "a=1"], 0.99, seed=0)
    second = job(1, ["a=1", "model=cnn"], 0.98, seed=1)
    [row] = ranking([second, first])
    assert row.overrides == ("model=cnn", "a=1")


@pytest.mark.parametrize(
    ("values", "seed"),
    [((0.9,), 0), ((0.9, 0.8), 1), ((0.9, 0.7, 0.8), 2), ((0.7, 0.9, 0.9, 0.8), 3)],
)
def test_the_winner_has_the_seed_of_the_median_and_its_threads(values, seed):
    results = [job(n, ["a=1"], value, seed=n) for n, value in enumerate(values)]
    results.append(job(9, ["a=1"], outcome="failed", seed=9))
    for result in results:
        result.params["training.threads"] = str(100 + result.seed)
    [row] = ranking(results)
    assert (row.median_seed, row.threads) == (seed, 100 + seed)
    command = f"mnist-exp train a=1 seed={seed} training.threads={100 + seed}"
    assert winner_command([row], []) == command


def test_keys_that_are_swept_and_those_that_vary():
    two = [["model=a", "+x=1", "seed=0"], ["+x=1", "model=b", "seed=1"]]
    assert swept_keys(two) == ["model", "x"]
    assert varying_keys(two) == ["model"]
    assert varying_keys([*two, ["model=c"]]) == ["model", "x"]
    assert varying_keys(two[:1]) == []


def test_one_seed_has_the_interval_of_its_validation_images():
    [row] = ranking([job(0, [], 0.99)])
    assert (row.low, row.high) == wilson_interval(4950, 5000)
    assert row.deviation is None


def test_seeds_that_agree_have_the_interval_of_their_images():
    [row] = ranking([job(0, [], 0.99, seed=0), job(1, [], 0.99, seed=1)])
    assert (row.low, row.high) == wilson_interval(4950, 5000)
    assert row.deviation == 0


def test_seeds_without_validation_images_have_a_test_accuracy():
    jobs = [job(number, [], seed=number) for number in range(2)]
    for one, accuracy in zip(jobs, (0.97, 0.99), strict=True):
        one.metrics["test/accuracy"] = accuracy
    [row] = ranking(jobs)
    assert math.isnan(row.mean)
    assert row.test_accuracy == pytest.approx(0.98)


def test_an_interval_over_seeds_stays_an_accuracy():
    [row] = ranking([job(0, [], 0.999, seed=0), job(1, [], 0.95, seed=1)])
    assert row.low < 0.95
    assert row.high == 1


def test_test_accuracy_has_no_say():
    worse = job(0, ["model=a"], 0.98)
    worse.metrics["test/accuracy"] = 1.0
    assert [row.overrides for row in ranking([worse, job(1, ["model=b"], 0.99)])] == [
        ("model=b",),
        ("model=a",),
    ]


def test_pruned_come_after_finished_and_failed_last():
    results = [
        job(0, ["model=a"], outcome="failed"),
        job(1, ["model=b"], 0.99, outcome="pruned"),
        job(2, ["model=c"], outcome="killed"),
        job(3, ["model=d"], 0.5),
        job(4, ["model=e"]),  # without validation images
        job(5, ["model=f"], 0.6),
    ]
    rows = ranking(results)
    assert [row.jobs[0] for row in rows] == [5, 3, 4, 1, 0, 2]
    assert [row.outcome for row in rows] == ["finished"] * 3 + ["pruned"] + ["failed"] * 2
    assert math.isnan(rows[2].mean)
    assert math.isnan(rows[2].low)


def test_equals_keep_their_order_and_jobs_may_come_in_any():
    results = [job(n, [f"model={n}"], 0.99) for n in range(5)]
    assert [row.jobs[0] for row in ranking(reversed(results))] == [0, 1, 2, 3, 4]


def test_order_of_overrides_sets_nothing_apart():
    results = [job(0, ["a=1", "b=2"], 0.9, seed=0), job(1, ["b=2", "a=1"], 0.9, seed=1)]
    assert len(ranking(results)) == 1


def test_the_same_seed_twice_is_one_measurement():
    [row] = ranking([job(0, ["a=1"], 0.9, trial=0), job(1, ["a=1"], 0.9, trial=1)])
    assert sorted(row.jobs) == [0, 1]
    assert row.values == (0.9,)
    assert row.deviation is None


def test_a_config_of_which_a_seed_failed_is_ranked_by_the_others():
    rows = ranking(over_seeds())
    part = next(row for row in rows if row.overrides[1].endswith("=0.001") and "mlp" in str(row))
    assert part.outcome == "finished"
    assert (part.jobs, part.seeds) == ((3, 5, 4), (0, 2, 1))
    assert len(part.values) == 2


def test_time_of_a_job_that_broke_off_is_from_start_to_end():
    [row] = ranking([job(0, [], outcome="failed", seconds=7)])
    assert row.seconds == 7
    [row] = ranking([dataclasses.replace(job(0, [], outcome="failed"), end_time=0)])
    assert row.seconds == 0


def test_winner_is_trained_by_what_a_single_run_understands():
    rows = ranking([job(0, ["model=cnn", "training.epochs=9", "a.b=[1, 2]"], 0.99, seed=7)])
    fixed = [*FIXED, "sweep.name=first", "+description='two words'"]
    command = winner_command(rows, fixed)
    assert shlex.split(command) == [
        "mnist-exp", "train", "experiment=fast", "+description='two words'",
        "model=cnn", "training.epochs=9", "a.b=[1, 2]", "seed=7",
    ]  # fmt: skip
    assert "\"+description='two words'\" model=cnn" in command


def test_winner_has_the_threads_of_its_record():
    cores = len(os.sched_getaffinity(0))
    best = job(0, ["model=cnn"], 0.99)
    best.params["training.threads"] = str(cores + 1)
    command = winner_command(ranking([best]), ["--config-dir=a b", "training.threads=9"])
    threads = f"training.threads={cores + 1}"
    assert command == f"mnist-exp train '--config-dir=a b' model=cnn seed=0 {threads}"
    best.params["training.threads"] = str(cores)  # which a run takes by itself
    assert winner_command(ranking([best]), []) == "mnist-exp train model=cnn seed=0"


@pytest.mark.parametrize("argument", ["a='$x'", "a='`'", "a='\"'", "a='\\'", "a='!'"])
def test_no_shell_changes_the_command(argument):
    command = winner_command(ranking([job(0, [argument], 0.9)]), [])
    assert shlex.split(command)[2] == argument
    assert not command.startswith('mnist-exp train "')


def test_winner_has_a_seed_that_finished():
    results = [job(0, [], outcome="failed", seed=3), job(1, [], 0.9, seed=4)]
    assert winner_command(ranking(results), []) == "mnist-exp train seed=4"


def test_a_config_that_lacks_a_seed_does_not_beat_one_that_has_all():
    results = [
        job(0, ["a=1"], 0.99, seed=0),
        job(1, ["a=1"], outcome="failed", seed=1),
        job(2, ["a=2"], 0.98, seed=0),
        job(3, ["a=2"], 0.98, seed=1),
    ]
    rows = ranking(results)
    assert [row.overrides for row in rows] == [("a=2",), ("a=1",)]
    assert list(ranks(rows)) == ["1", "2"]
    assert winner_command(rows, []) == "mnist-exp train a=2 seed=0"


def test_more_seeds_of_one_config_put_no_other_behind():
    results = [job(n, [f"a={n}"], 0.9 + n / 100) for n in range(4)]
    results += [job(4, ["a=1"], 0.91, seed=1), job(5, ["a=1"], 0.91, seed=2)]
    assert [row.overrides[0] for row in ranking(results)] == ["a=3", "a=2", "a=1", "a=0"]


def test_equals_share_a_place_and_what_was_not_measured_has_none():
    values = {1: 0.98, 2: 0.99, 3: 0.99, 4: None, 5: 0.97}
    rows = ranking(job(n, [f"a={n}"], value) for n, value in values.items())
    assert [row.overrides[0] for row in rows] == ["a=2", "a=3", "a=1", "a=5", "a=4"]
    assert list(ranks(rows)) == ["1", "1", "3", "4", ""]


def test_a_config_whose_other_seed_never_started_has_no_more_seeds_than_one_that_failed():
    results = [
        job(0, ["a=1"], 0.99, seed=0),
        job(1, ["a=2"], 0.98, seed=0),
        job(2, ["a=1"], outcome="failed", seed=1),
    ]
    assert winner_command(ranking(results), []) == "mnist-exp train a=1 seed=0"


@pytest.mark.parametrize(
    "results",
    [[], [job(0, [], outcome="failed")], [job(0, [], 0.9, outcome="pruned")], [job(0, [])]],
)
def test_nothing_measured_has_no_winner(results):
    assert winner_command(ranking(results), []) is None
