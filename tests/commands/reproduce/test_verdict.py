"""Two results side by side: what is the same, and what decides."""

import math
import sys
from importlib.metadata import version

import numpy as np
import pytest

from mnist_exp.commands.reproduce.inputs import Input, code_inputs
from mnist_exp.commands.reproduce.verdict import Result, Verdict, compare, explanation, new_result
from mnist_exp.core.errors import ExperimentError
from mnist_exp.runs.source_code import Code
from mnist_exp.tracking.names import CODE_TAG, COMMIT_TAG, DIRTY_TAG, WEIGHTS_TAG
from mnist_exp.tracking.read.evidence import PREDICTIONS, Evidence, Predictions
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.records import RunRecord

DIGITS = np.tile(np.arange(10, dtype=np.uint8), 20)
NOWHERE = "http://127.0.0.1:9"


def result(metrics, weights="ab", *, wrong=(), labels=DIGITS):
    digits = DIGITS.copy()
    digits[list(wrong)] ^= 1
    return Result(weights, metrics, Predictions(labels, digits))


RECORDED = {("test/accuracy", 0): 1.0, ("train/loss", 1): 0.5}


@pytest.mark.parametrize(("recorded", "same"), [(version("mnist-exp"), True), ("0.0.1", False)])
def test_outside_a_checkout_the_version_stands_for_the_commit(monkeypatch, recorded, same):
    monkeypatch.setattr(Evidence, "packages", lambda _: {"mnist-exp": recorded})
    tags = {CODE_TAG: "ab", COMMIT_TAG: "none", DIRTY_TAG: "false"}
    record = RunRecord("1", "cnn-a", "FINISHED", False, 0, 1, {}, {}, tags, "mlruns")
    found = code_inputs(Evidence(record, "sqlite:///mlflow.db"), Code("ab", None, "", {}))
    commit = {each.name: each for each in found}["commit"]
    shown = (f"mnist-exp {recorded}", f"mnist-exp {version('mnist-exp')}")
    assert (commit.recorded, commit.present, commit.same) == (*shown, same)


def test_the_verdict_is_the_exit_code_and_its_words():
    assert [(verdict.value, verdict.words) for verdict in Verdict] == [
        (0, "identical"),
        (3, "not distinguishable"),
        (4, "different"),
    ]


def test_the_same_weights_and_metrics_are_identical():
    found = compare(result(RECORDED), result(dict(RECORDED)))
    assert found.verdict is Verdict.IDENTICAL
    assert (found.same_weights, found.p, found.metrics, found.images) == (True, 1, 2, 200)


def test_a_metric_that_later_code_added_decides_nothing():
    found = compare(result(RECORDED), result({**RECORDED, ("selective/threshold", 0): 0.6}))
    assert found.verdict is Verdict.IDENTICAL
    assert found.differing == ()


def test_a_metric_that_is_missing_or_other_counts():
    missing = compare(result(RECORDED), result({("test/accuracy", 0): 1.0}))
    assert missing.verdict is Verdict.NOT_DISTINGUISHABLE
    assert missing.differing == (("train/loss", 1),)
    other = compare(result(RECORDED), result({**RECORDED, ("train/loss", 1): 0.6}))
    assert other.differing == (("train/loss", 1),)


def test_metrics_of_early_epochs_come_first_and_the_final_ones_last():
    points = [("a", 1), ("train/loss", 1), ("train/loss", 2), ("test/loss", 0)]
    found = compare(result(dict.fromkeys(points[::-1], 1.0)), result(dict.fromkeys(points, 2.0)))
    assert found.differing == tuple(points)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(math.nan, math.nan, True), (math.nan, 1, False), (1, math.nan, False)],
)
def test_a_loss_that_diverged_again_is_the_same(one, other, same):
    found = compare(result({("train/loss", 1): one}), result({("train/loss", 1): other}))
    assert (found.differing == ()) == same


@pytest.mark.parametrize(
    "second", [result(RECORDED, "other"), result(RECORDED, wrong=[7]), result({})]
)
def test_one_thing_that_is_not_the_same_is_enough(second):
    found = compare(result(RECORDED), second)
    assert found.verdict is Verdict.NOT_DISTINGUISHABLE


def test_weights_that_nobody_recorded_are_not_the_same():
    found = compare(result(RECORDED, ""), result(RECORDED, ""))
    assert not found.same_weights
    assert found.verdict is Verdict.NOT_DISTINGUISHABLE


@pytest.mark.parametrize(
    ("first", "second", "p", "verdict"),
    [
        ([1, 2, 3], [3, 4], 1, Verdict.NOT_DISTINGUISHABLE),
        ([], range(5), 2 / 2**5, Verdict.NOT_DISTINGUISHABLE),
        ([], range(6), 2 / 2**6, Verdict.DIFFERENT),
        (range(6), [], 2 / 2**6, Verdict.DIFFERENT),
    ],
)
def test_images_that_one_alone_recognised_decide(first, second, p, verdict):
    found = compare(result(RECORDED, wrong=first), result({}, wrong=second))
    assert found.only_first == len(set(second) - set(first))
    assert found.only_second == len(set(first) - set(second))
    assert found.p == pytest.approx(p)
    assert found.verdict is verdict


def test_other_images_are_another_experiment():
    found = compare(result(RECORDED), result({}, labels=DIGITS[::-1]))
    assert (found.only_first, found.only_second, found.p) == (0, 0, 0)
    assert found.verdict is Verdict.DIFFERENT


def entry(name, same, *, decides=True):
    return Input(name, "one", "another", same, decides)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ([entry("code", False)], "What differs and can explain it: code (one then, another now)."),
        (
            [entry("code", True), entry("data", None), entry("shown", None, decides=False)],
            "Nothing that was recorded explains it; not recorded: data.",
        ),
        ([entry("shown", False, decides=False)], "Nothing that was recorded explains it."),
    ],
)
def test_what_differs_explains_or_what_was_not_recorded_may(inputs, sentence):
    assert explanation(inputs) == sentence


def test_a_rerun_that_mlflow_has_not_taken_is_read_from_its_journal(sealed_environment):
    job_dir = sealed_environment / "outputs" / "job"
    job_dir.mkdir(parents=True)
    recorder = Recorder.start(
        job_dir, job_id="job", run_name="mlp", uri=NOWHERE, experiment="mnist", config={},
        params={}, tags={}, description="",
    )  # fmt: skip
    recorder.metrics({"train/loss": 0.5, "images_per_second": 9.0, "time/epoch": 1.0}, step=1)
    recorder.metrics({"test/loss": math.inf, "time/fit_seconds": 3.0, "evaluate/mnist/loss": 1.0})
    recorder.tags({WEIGHTS_TAG: "ab"})
    recorder.tags({"other": "x"})
    with pytest.raises(ExperimentError, match=f"Expected MLflow to answer at {NOWHERE}"):
        new_result(job_dir, None, NOWHERE)
    recorder.artifact(
        PREDICTIONS,
        lambda file: np.savez_compressed(
            file, labels=DIGITS, predictions=DIGITS[::-1], probabilities=np.eye(10)[DIGITS[::-1]]
        ),
    )
    found = new_result(job_dir, None, NOWHERE)
    recorder.end("failed")
    # No time and no rate, nothing that was measured later; infinity as databases have it.
    assert found.metrics == {("train/loss", 1): 0.5, ("test/loss", 0): sys.float_info.max}
    assert found.weights_sha256 == "ab"
    np.testing.assert_array_equal(found.predictions.digits, DIGITS[::-1])
