"""RUN on the command line means one run, or says why not."""

import math

import pytest

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.journal.events import Start, now
from mnist_exp.tracking.read.selection import select
from mnist_exp.tracking.records import RunRecord


def run(run_id: str, name: str, status: str = "FINISHED", **metrics: float) -> RunRecord:
    named = {key.replace("_", "/"): value for key, value in metrics.items()}
    return RunRecord(
        run_id, name, status, deleted=False, start_time=1, end_time=2, params={}, metrics=named,
        tags={"mnist_exp.outcome": "finished"}, artifact_uri="",
    )  # fmt: skip


RUNS = [
    run("d4aa", "cnn-4", "RUNNING", val_accuracy=0.999),
    run("c3aa", "cnn-3", val_accuracy=0.98, test_accuracy=0.99),
    run("c2bb", "cnn-2", val_accuracy=0.99, test_accuracy=0.97),
    run("a1bb", "twin", test_accuracy=1.0),
    run("a0cc", "twin", val_accuracy=math.nan),
]


def test_best_means_the_weights_that_were_kept(index):
    kept = run("e5", "kept", val_accuracy=0.9)
    kept.metrics["chosen/val_accuracy"] = 0.995
    assert select("best", [kept, *RUNS], index) is kept


def test_all_of_a_few_images_are_no_more_than_nearly_all_of_many(index):
    digits, mnist = run("e5", "digits", val_accuracy=1.0), run("f6", "mnist", val_accuracy=0.996)
    digits.params["data.validation_images"] = "200"
    mnist.params["data.validation_images"] = "5000"
    assert select("best", [digits, mnist], index) is mnist
    mnist.metrics["val/accuracy"] = 0.95
    assert select("best", [digits, mnist], index) is digits


def test_members_of_an_ensemble_are_meant_by_name_alone(index):
    member = run("e5", "cnn-5-0", val_accuracy=1.0)
    member.tags["mnist_exp.ensemble"] = "an-id"
    for selector, expected in {"latest": "d4aa", "best": "c2bb", "cnn-5-0": "e5"}.items():
        assert select(selector, [member, *RUNS], index).run_id == expected
    assert select("latest", [member], index) is member


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("latest", "d4aa"),
        ("best", "c2bb"),
        ("c3aa", "c3aa"),
        ("c3", "c3aa"),
        ("d", "d4aa"),
        ("cnn-3", "c3aa"),
    ],
)
def test_a_selector_names_one_run(selector, expected, index):
    assert select(selector, RUNS, index).run_id == expected


def test_pruned_runs_are_never_best(index):
    pruned = run("e5", "cnn-5", val_accuracy=1.0)
    pruned.tags["mnist_exp.outcome"] = "pruned"
    assert select("best", [pruned, *RUNS], index).run_id == "c2bb"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("twin", r"means 2: a1bb \(twin\), a0cc \(twin\)\. Give more of the run id"),
        ("c", r"means 2: c3aa \(cnn-3\), c2bb \(cnn-2\)"),
        ("cnm-3", "Did you mean 'cnn-3'"),
        ("lastest", "Did you mean 'latest'"),
        ("", "Expected a run id"),
    ],
)
def test_what_names_none_or_several_is_refused(selector, message, index):
    with pytest.raises(RequestError, match=message):
        select(selector, RUNS, index)


def test_a_long_list_of_candidates_is_cut(index):
    many = [run(f"a{number:02d}", "same") for number in range(30)]
    with pytest.raises(RequestError, match=r"means 30: .* and 20 more"):
        select("same", many, index)


def test_best_needs_a_validated_run(index):
    with pytest.raises(RequestError, match="validation_images above 0"):
        select("best", RUNS[3:], index)


def test_without_runs_it_says_how_to_make_one(index):
    with pytest.raises(RequestError, match="mnist-exp train"):
        select("latest", [], index)


def test_the_champion_is_the_registered_one(store, index):
    start = Start(now(), "job-1", "cnn", "mnist", store.uri, {}, {}, "", None, None, {})
    run_id = store.create_run(start)
    runs = list(store.search())
    index.refresh()
    with pytest.raises(RequestError, match="mnist-exp promote RUN"):
        select("@champion", runs, index)
    store.client.create_registered_model("mnist")
    version = store.client.create_model_version("mnist", "/somewhere", run_id=run_id)
    store.client.set_registered_model_alias("mnist", "champion", version.version)
    index.refresh()
    assert select("@champion", runs, index).run_id == run_id
    with pytest.raises(RequestError, match="deleted or in another one"):
        select("@champion", RUNS, index)
