"""The numbers behind a sweep's pictures."""

import logging

import pytest
from sweep_results import job, mixed

from mnist_exp.sweeps.results import exploration
from mnist_exp.sweeps.results.exploration import dimensions, importance, steps


def with_values(*values):
    return [job(n, [f"a.b={value}"], 0.9 + n / 1000) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "numeric", "log"),
    [
        (("0.1", "0.2", "0.3"), True, False),
        (("16", "32", "64", "128"), True, True),
        (("0.0001", "0.01", "0.1", "1"), True, True),
        (("0", "0.001", "1"), True, False),
        (("-1", "10", "100"), True, False),
        (("1", "2"), True, False),
        (("0.1", "null"), False, False),
        (("1", "inf"), False, False),
        (("1", "nan"), False, False),
        (("[32,64]", "[8]"), False, False),
        (("true", "false"), False, False),
    ],
)
def test_scale_of_a_key_is_that_on_which_its_values_lie_evenly(values, numeric, log):
    [found] = dimensions(with_values(*values))
    assert (found.key, found.texts) == ("a.b", values[::-1])
    assert (found.numbers is not None, found.log) == (numeric, log)


def test_random_draws_show_the_scale_they_were_drawn_on():
    scales = {d.key: d.log for d in dimensions(mixed(24)) if d.numbers}
    assert scales["optimizer.learning_rate"]
    assert not scales["model.dropout"]


def test_only_what_differs_is_a_dimension():
    results = [job(n, ["a=1", f"b={n}"], 0.9) for n in range(3)]
    assert [dimension.key for dimension in dimensions(results)] == ["b"]
    assert dimensions(results[:1]) == []
    results = [job(0, ["model.dropout=0.25", "b=1"], 0.9), job(1, ["b=2"], 0.9)]
    results[1].params["b"] = "2"
    assert [dimension.key for dimension in dimensions(results)] == ["b"]  # 0.25 is the default
    assert dimensions([job(0, [], 0.9)]) == []
    assert dimensions([job(0, ["a=1"], outcome="failed")]) == []


def test_a_key_that_a_config_does_not_set_has_its_configured_value():
    results = [job(0, ["model.dropout=0.5"], 0.9), job(1, ["a=1"], 0.8)]
    assert [(d.key, d.texts) for d in dimensions(results)] == [("model.dropout", ("0.5", "0.25"))]


def test_steps_count_the_time_in_which_jobs_ran():
    results = [
        job(0, ["a=1"], 0.90, start_time=1000, end_time=11_000),
        job(1, ["a=2"], 0.95, start_time=6000, end_time=16_000),  # beside it
        job(2, ["a=3"], outcome="failed", start_time=90_000, end_time=95_000),  # after a pause
        job(3, ["a=4"], 0.92, start_time=100_000, end_time=110_000),
    ]
    assert steps(results) == [
        (10, 3, 0.90, 0.90, 0.90, 0.90),
        (15, 6, 0.95, 0.95, 0.95, 0.95),
        (30, 9, 0.92, 0.92, 0.92, 0.95),
    ]


def test_the_pause_of_a_job_that_was_resumed_is_no_part_of_its_time():
    pause = 3_600_000
    results = [
        job(0, ["a=1"], 0.90, start_time=1000, end_time=11_000),
        job(1, ["a=2"], 0.95, start_time=11_000, end_time=21_000 + pause),
    ]
    assert [step.seconds for step in steps(results)] == [10, 20]


def test_a_config_counts_when_its_last_seed_has_ended():
    results = [job(n, [f"a={n // 2}"], 0.9 + n / 100, seed=n % 2) for n in range(4)]
    found = steps(results)
    assert [step.value for step in found] == pytest.approx([0.905, 0.925])
    assert [(step.seconds, step.epochs) for step in found] == [(20, 6), (40, 12)]


def test_importance_finds_the_keys_that_matter(caplog):
    with caplog.at_level(logging.INFO):
        shares = importance(mixed(40, diverging=False))
    assert not caplog.records
    keys = ["optimizer.learning_rate", "model", "model.dropout", "training.batch_size"]
    assert sorted(shares) == sorted(keys)
    assert list(shares)[:2] == keys[:2]
    means = [share.mean for share in shares.values()]
    assert sum(means) == pytest.approx(1)
    assert means == sorted(means, reverse=True)


def test_importance_is_the_same_twice():
    assert importance(mixed(16)) == importance(mixed(16))


def test_shares_of_few_configs_are_known_less_well():
    few, many = (importance(mixed(n, diverging=False)) for n in (16, 90))
    for key, share in few.items():
        assert 0 <= share.low <= share.mean <= share.high <= 1
        assert share.high - share.low > many[key].high - many[key].low
    assert many["optimizer.learning_rate"].low > many["model"].high


def test_configs_of_which_one_alone_is_better_have_shares():
    """A tree that did not draw it has no variance to explain."""
    results = [job(n, [f"a={n}", f"b={n % 3}"], 0.5 + 0.4 * (n == 7)) for n in range(16)]
    assert sum(share.mean for share in importance(results).values()) == pytest.approx(1)


def test_importance_of_many_configs_looks_at_some(monkeypatch):
    monkeypatch.setattr(exploration, "_MOST_CONFIGS", 10)
    assert importance(mixed(35))


@pytest.mark.parametrize(
    "results",
    [
        [],
        mixed(exploration.FEWEST_CONFIGS - 1),
        [job(n, ["a=1"], 0.9, seed=n) for n in range(20)],
        [job(n, [f"a={n}"], 0.9) for n in range(20)],
        [job(n, [f"a={n}"], 0.9, outcome="pruned") for n in range(20)],
    ],
    ids=["nothing", "few configs", "seeds alone", "no difference", "pruned"],
)
def test_too_little_has_no_importance(results):
    assert importance(results) == {}
