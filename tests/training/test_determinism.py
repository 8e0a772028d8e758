"""Equal trainings in two processes are equal to the last bit: a part of `scripts/determinism`."""

import itertools
import json
import sys
from pathlib import Path

import pytest
from invoke import python

from mnist_exp.core import processor

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
import determinism

SMALLEST = {"training.threads": "1", "training.precision": "float32", "model": "seed_mlp"}


def pair(first="a", second="a", **combination):
    """A pair of trainings that nobody made."""
    texts = [
        json.dumps({"weights_sha256": text, "history": {"val/loss": [1.0, len(text)]}})
        for text in (first, second)
    ]
    return determinism.Pair({**SMALLEST, **combination}, *texts)


@pytest.fixture
def forked(monkeypatch):
    """Has trainings done in forks, which have imported TensorFlow and computed nothing."""
    program = (
        "import json, sys; sys.path.append(sys.argv[1])\n"
        "import determinism; determinism.work(json.load(sys.stdin))\n"
    )

    def train(combinations):
        scripts = Path(determinism.__file__).parent
        return python(
            program, scripts, input=json.dumps(combinations), check=True
        ).stdout.splitlines()

    monkeypatch.setattr(determinism, "in_a_fresh_process", train)


def test_every_option_trains_to_the_same_bits_again(forked):
    check_bits(determinism.sample())


@pytest.mark.long("every option to the same bits in fresh processes, at each precision and threads")
@pytest.mark.timeout(1800)  # of some eighty trainings, in pairs
def test_every_option_trains_to_the_same_bits_in_fresh_processes():
    check_bits(determinism.covering())


def check_bits(combinations):
    pairs = determinism.twice(list(combinations), jobs=processor.cores())
    assert [line for line in determinism.remarks(pairs) if line.startswith("not exact")] == []
    assert all(one.exact for one in pairs)
    # Each option made a difference, and none fled to NaN, where all would be the same.
    for threads in determinism.THREADS:
        results = [one.first for one in pairs if one.combination["training.threads"] == threads]
        assert len({json.loads(result)["weights_sha256"] for result in results}) == len(results)
    assert not any("NaN" in one.first for one in pairs)


def test_another_seed_gives_other_weights(forked):
    trainings = [{**SMALLEST, "seed": seed} for seed in ("0", "1")]
    other_seed = determinism.Pair(SMALLEST, *determinism.in_a_fresh_process(trainings))
    assert not other_seed.exact
    different = determinism.difference(other_seed)
    assert different.startswith("weights, ")
    assert "train/loss from epoch 1" in different


def test_fewer_combinations_hold_every_option_once():
    few = list(determinism.sample())
    for group, options in determinism.choices().items():
        assert {one[group] for one in few} == set(options)
    assert {(one[determinism.THREADS_KEY], one[determinism.PRECISION_KEY]) for one in few} == set(
        itertools.product(determinism.THREADS, determinism.PRECISIONS)
    )


def test_a_few_combinations_hold_every_option():
    few = list(determinism.covering())
    assert few
    for group, options in determinism.choices().items():
        wanted = set(itertools.product(determinism.THREADS, determinism.PRECISIONS, options))
        keys = (determinism.THREADS_KEY, determinism.PRECISION_KEY, group)
        assert {tuple(one[key] for key in keys) for one in few} == wanted
    for key in ("weight_averaging", "plain_fraction"):
        assert len({one[f"training.{key}"] for one in few}) == 2
    everything = list(determinism.every())
    assert all(one in everything for one in few)


def test_options_are_those_of_conf_with_subfolders(tmp_path, monkeypatch):
    monkeypatch.setattr(determinism, "config_folder", lambda: tmp_path)
    with pytest.raises(AssertionError):
        determinism.choices()
    for group in determinism.GROUPS:
        (tmp_path / group / "more").mkdir(parents=True)
        (tmp_path / group / "more" / "one.yaml").touch()
    assert determinism.choices() == {group: ["more/one"] for group in determinism.GROUPS}


@pytest.mark.parametrize(("second", "code"), [("a", 0), ("bb", 1)])
def test_what_is_not_exact_is_named(second, code, monkeypatch, capsys):
    pairs = [pair(), pair(second=second, model="mlp"), pair(**{"training.threads": "2"})]
    monkeypatch.setattr(determinism, "twice", lambda *_: pairs)
    monkeypatch.setattr(sys, "argv", ["determinism", "--quick", "--jobs=1"])
    with pytest.raises(SystemExit) as ended:
        determinism.main()
    assert ended.value.code == code
    shown = capsys.readouterr().out
    named = (
        "not exact: training.threads=1 training.precision=float32 model=mlp "
        "(weights, val/loss from epoch 2)"
    )
    assert (named in shown) == bool(code)
    assert f"{2 - code} of 2" in shown
    assert "they gave the same result in 1 of 1." in shown
