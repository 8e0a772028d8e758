"""Which runs are compared: what cannot be is named, and the rest is shown."""

from csv import DictReader

import numpy as np
import pytest
from invoke import here, python

from mnist_exp.commands.compare.compare import compare
from mnist_exp.commands.compare.selection import choose
from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Point, Store
from mnist_exp.tracking.names import DATA_TAG, JOB_ID_TAG, OUTCOME_TAG, SPACE_TAG, SWEEP_TAG
from mnist_exp.tracking.read.evidence import PREDICTIONS

LABELS = np.tile(np.arange(10, dtype=np.uint8), 20)


@pytest.fixture
def project(sealed_environment):
    """Makes runs in a real store, without training them."""
    store = Store(resolve(None), "mnist")
    store.client.create_experiment("mnist", str(sealed_environment / "mlruns"))

    def make(
        name,
        *,
        outcome="finished",
        data="d" * 64,
        data_name="mnist",
        accuracy=0.9,
        predictions=LABELS,
        seed=0,
        **tags,
    ):
        run = store.client.create_run("1", run_name=name)
        run_id = run.info.run_id
        own = {JOB_ID_TAG: name, OUTCOME_TAG: outcome, DATA_TAG: data} | {
            key.replace("__", "."): value for key, value in tags.items()
        }
        store.set_tags(run_id, own)
        params = {"seed": str(seed), "data.name": data_name, "data.validation_images": "100"}
        store.log_params(run_id, params | {"description": name})
        if accuracy is not None:
            store.log_metrics(run_id, [Point("val/accuracy", accuracy, 1, 1)])
        if predictions is not None:
            file = sealed_environment / "mlruns" / run_id / "artifacts" / PREDICTIONS
            file.parent.mkdir(parents=True)
            np.savez_compressed(file, labels=LABELS, predictions=predictions)
        store.client.set_terminated(run_id)
        return run_id

    return make


def test_everything_that_finished_is_compared(project):
    ids = [project("a"), project("b", seed=1)]
    project("c", outcome="pruned")
    project("d", outcome="failed")
    choice = choose()
    assert {run.run_id for run in choice.runs} == set(ids)
    assert choice.left_out == ["Left out: d, failed.", "Left out: c, pruned."]


def rows(*arguments):
    done = here("compare", "--csv", *arguments)
    assert done.returncode == 0, done.stderr
    return list(DictReader(done.stdout.splitlines()))


def test_new_seeds_are_compared_alone(project):
    ids = [project(f"a-{seed}", seed=seed) for seed in range(7)]
    choice = choose(from_seed=5)
    assert {run.run_id for run in choice.runs} == set(ids[5:])
    assert choice.left_out == ["Left out: a-4, a-3, a-2 and 2 more, with a seed below 5."]
    assert [row["seeds"] for row in rows("--from-seed", "6")] == ["6"]
    assert [row["seeds"] for row in rows()] == ["0 1 2 3 4 5 6"]


def test_looks_are_counted_in_p(project):
    for seed, mistakes in enumerate((2, 3, 4, 2)):
        project(f"good-{seed}", seed=seed, accuracy=0.95, mnist_exp__code_sha256="a")
        predictions = np.where(np.arange(len(LABELS)) < mistakes, (LABELS + 1) % 10, LABELS)
        project(f"bad-{seed}", seed=seed, predictions=predictions, mnist_exp__code_sha256="b")
    by_looks = [rows("--looks", str(looks))[1] for looks in (1, 2, 8)]
    once, twice, often = (float(row["p"]) for row in by_looks)
    assert (twice, often) == pytest.approx((2 * once, 8 * once))
    assert [float(row["p"]) for row in rows()[1:]] == [twice]
    verdicts = [row["verdict"].partition(";")[0] for row in by_looks]
    assert verdicts == ["worse on test", "worse on test", "not distinguishable"]


def test_members_of_an_ensemble_are_compared_where_they_are_named(project):
    project("a")
    member = project("a-0", seed=1, mnist_exp__ensemble="a")
    choice = choose()
    assert [run.name for run in choice.runs] == ["a"]
    assert choice.left_out == ["Left out: a-0, trained for an ensemble: compared where named."]
    assert member in {run.run_id for run in choose(["a-0", "a"]).runs}


def test_named_runs_that_cannot_be_compared_are_told_and_the_rest_is_shown(project, capsys):
    project("a")
    project("theirs", **{JOB_ID_TAG.replace(".", "__"): "x"})
    project("blind", predictions=None)
    project("elsewhere", data="e" * 64)
    project("twin", seed=1)
    project("twin", seed=2)
    names = ["a", "blind", "elsewhere", "twin", "nix"]
    assert compare(names, looks=2, form="csv") == 2
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert "Left out: blind, without predictions that can be used: Expected the arti" in shown.err
    assert "Left out: elsewhere, on other data (mnist) of the same name" in shown.err
    assert "Received: 'twin', which means 2" in shown.err
    assert "Received: 'nix'" in shown.err


def test_a_run_that_is_named_twice_is_there_once(project, capsys):
    project("a")
    assert compare(["a", "latest"], looks=2, form="csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.fixture
def two_data_sets(project):
    """Makes the best run on mnist, and more runs, and newer ones, on digits."""
    project("best", accuracy=0.97)
    for seed in range(3):
        tags = {"data": "e" * 64, "data_name": "digits", SWEEP_TAG.replace(".", "__"): "grid"}
        project(f"digits-{seed}", seed=seed, **tags)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ["best"]),
        ({"data": "digits"}, ["digits-2", "digits-1", "digits-0"]),
        ({"selectors": ["digits-1", "best"]}, ["digits-1"]),
        ({"selectors": ["digits-1", "best"], "data": "mnist"}, ["best"]),
        ({"sweeps": ["grid"]}, ["digits-2", "digits-1", "digits-0"]),
    ],
)
def test_runs_are_compared_on_the_data_of_the_first_or_the_best(two_data_sets, request_, expected):
    assert [run.name for run in choose(**request_).runs] == expected


def test_what_is_left_out_tells_how_to_compare_it(two_data_sets):
    [line] = choose().left_out
    assert line == (
        "Left out: digits-2, digits-1, digits-0, on other data: "
        "`mnist-exp compare --data digits` compares these."
    )
    [line] = choose(data="digits").left_out
    assert line.endswith("best, on other data: `mnist-exp compare --data mnist` compares these.")


def test_other_data_of_the_same_name_are_compared_where_named_first(project):
    project("a", accuracy=0.97)
    project("b", data="e" * 64)
    assert choose().left_out == [
        "Left out: b, on other data (mnist) of the same name: compared where named first."
    ]
    assert [run.name for run in choose(["b", "a"]).runs] == ["b"]


def test_without_validation_the_data_of_the_newest_run_are_compared(project):
    project("a", accuracy=None)
    project("b", data="e" * 64, accuracy=None)
    assert [run.name for run in choose().runs] == ["b"]


def test_data_that_no_run_is_on_are_refused(two_data_sets):
    with pytest.raises(RequestError, match=r"digits, mnist\. Received: digit\. Did .* 'digits'"):
        choose(data="digit")


def test_altered_predictions_are_left_out(project):
    project("a")
    project("b", mnist_exp__artifacts_sha256="0" * 64)
    choice = choose()
    assert [run.name for run in choice.runs] == ["a"]
    assert "Left out: b, without predictions that can be used" in choice.left_out[0]


def test_runs_with_the_same_trouble_are_told_of_together(project):
    for name in "abcd":
        project(name, predictions=None)
    project("e")
    left_out = choose().left_out
    assert sum("no such file" in line for line in left_out) == 1


def test_a_sweep_is_compared_by_its_name(project):
    sweep = {SWEEP_TAG.replace(".", "__"): "grid"}
    project("parent", **sweep, **{SPACE_TAG.replace(".", "__"): "{}"})
    project("a", **sweep)
    project("b")
    project("c", seed=1, **{SWEEP_TAG.replace(".", "__"): "more"})
    assert [run.name for run in choose([], ["grid"]).runs] == ["a"]
    assert [run.name for run in choose([], ["grid", "more"]).runs] == ["a", "c"]
    with pytest.raises(RequestError, match=r"Received: gird\. Did you mean .grid."):
        choose([], ["gird"])


@pytest.mark.parametrize("selectors", [[], ["latest"]])
def test_nothing_to_compare(project, selectors):
    project("a", outcome="failed")
    with pytest.raises(RequestError, match=r"(?s)Received: none.*Left out: a, failed"):
        choose(selectors)


def test_a_comparison_imports_neither_tensorflow_nor_mlflow(project):
    project("a")
    project("b", seed=1)
    here("runs", check=True)
    program = (
        "import sys; from mnist_exp.cli import execute; assert execute(['compare']) == 0\n"
        "assert not {'tensorflow', 'keras', 'mlflow', 'matplotlib'} & set(sys.modules)"
    )
    python(program, fresh=True, check=True)
