"""A record that cannot be read is one line in the answer, and spoils nothing else."""

import json

import pytest
from invoke import here, mnist_exp
from projects import SWEEP, change, store

from mnist_exp.tracking.names import JOB_ID_TAG, SPACE_TAG, SWEEP_TAG
from mnist_exp.tracking.read.readable import trouble

PARAM = "params SET value = ? WHERE key = ?"
METRIC = "latest_metrics SET value = ? WHERE key = ?"
TAG = "tags SET value = ? WHERE key = ?"


def _dimension(**attributes) -> dict:
    return {"name": "Float", "attributes": {"low": 0, "high": 1, "step": 1, "log": 0} | attributes}


def _space(**changes) -> str:
    whole = {"search": {}, "dimensions": {}, "seeds": ["0"], "fixed": []}
    return json.dumps(whole | changes)


@pytest.mark.parametrize(
    ("what", "value", "key"),
    [(PARAM, "9" * 5000, "data.validation_images"), (METRIC, 1e308, "time/fit_seconds")],
)
def test_one_record_is_passed_over_by_best_and_told_of_by_compare(swept, what, value, key):
    good, bad = (run for run in store(swept).search() if not run.is_sweep)
    change(swept, f"{what} AND run_uuid = ?", (value, key, bad.run_id))
    best = mnist_exp(swept, "reproduce", "best", "--check-only", check=True)
    assert good.name in best.stdout + best.stderr
    compared = mnist_exp(swept, "compare", check=True)
    told = " ".join((compared.stdout + compared.stderr).split())
    assert f"{key} cannot be read: " in told
    assert len(told) < 2000
    assert bad.name in mnist_exp(swept, "runs", check=True).stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.validation_images", "9" * 400),
        ("data.validation_images", "-1"),
        ("seed", "\u0663"),
        ("training.threads", "1e3"),
    ],
)
def test_params_of_another_form_are_told_of(one_run, key, value):
    (run,) = store(one_run).search()
    run.params[key] = value
    assert trouble(run).startswith(f"its param {key} cannot be read: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [("chosen/val_accuracy", 2.0), ("val/accuracy", -1e308), ("model/parameters", 1e308)],
)
def test_metrics_out_of_their_range_are_told_of(one_run, key, value):
    (run,) = store(one_run).search()
    run.metrics[key] = value
    assert trouble(run) == f"its metric {key} cannot be read: {value:g}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mnist_exp.trial", "{"),
        ("mnist_exp.trial", "[" * 5000),
        ("mnist_exp.trial", '{"number": "1", "params": {}}'),
        ("mnist_exp.sweep_overrides", '"seed=1"'),
        ("mnist_exp.sweep_space", '{"search": 1}'),
        ("mnist_exp.sweep_space", _space(seeds=[[]])),
        ("mnist_exp.sweep_space", _space(seeds=[1])),
        ("mnist_exp.sweep_space", _space(dimensions={"a": None})),
        ("mnist_exp.sweep_space", _space(dimensions={"a": _dimension(step=float("nan"))})),
        ("mnist_exp.sweep_space", _space(dimensions={"a": _dimension(step=[])})),
        ("mnist_exp.sweep_space", _space(dimensions={"a": _dimension(high=float("inf"))})),
        ("mnist_exp.sweep_space", _space(dimensions={"a": _dimension(low="0")})),
        ("mnist_exp.sweep_commands", "99999999999999999999999"),
    ],
)
def test_tags_of_another_form_are_told_of(one_run, key, value):
    (run,) = store(one_run).search()
    run.tags[key] = value
    assert trouble(run).startswith(f"its tag {key} cannot be read: ")


@pytest.mark.parametrize("job_id", ["../../mlflow.db", "/etc", "", None])
def test_a_sweep_and_its_jobs_have_a_folder_of_its_own_name(one_run, job_id):
    (run,) = store(one_run).search()
    run.tags["mnist_exp.sweep_space"] = "null"
    assert trouble(run) == ""
    del run.tags["mnist_exp.job_id"]
    if job_id is not None:
        run.tags["mnist_exp.job_id"] = job_id
    assert trouble(run) == f"its tag mnist_exp.job_id cannot be read: {job_id or 'nothing'}"


def test_a_job_of_a_sweep_has_a_number(one_run):
    (run,) = store(one_run).search()
    assert run.params["sweep.job"] == "null"
    assert trouble(run) == ""
    run.tags["mnist_exp.sweep_key"] = "key"
    assert trouble(run) == "its param sweep.job cannot be read: null"
    run.tags["mnist_exp.sweep_space"] = _space(dimensions={"a": _dimension()})
    run.params["sweep.job"] = "1"
    assert trouble(run) == ""


def test_a_sweep_runs_a_job_again_whose_record_cannot_be_read(swept):
    tag = "mnist_exp.sweep_overrides"
    runs = store(swept).search()
    spoilt = next(run for run in runs if run.params["seed"] == "1")
    place = "tags SET value = '{' WHERE key = ? AND run_uuid = ?"
    change(swept, place, (tag, spoilt.run_id))
    forged = {SWEEP_TAG: spoilt.tags[SWEEP_TAG], SPACE_TAG: "null", JOB_ID_TAG: "../../mlflow.db"}
    experiment = store(swept).client.get_experiment_by_name("mnist").experiment_id
    store(swept).client.create_run(experiment, start_time=1, tags=forged)
    again = here(*SWEEP, cwd=swept, check=True)
    assert "its tag mnist_exp.job_id cannot be read: ../../mlflow.db" in again.stderr
    assert f"Run {spoilt.name} is passed over: its tag {tag} cannot be read: {{." in again.stderr
    jobs = [run for run in store(swept).search() if not run.is_sweep]
    seeds = [run.params["seed"] for run in jobs]
    assert sorted(seeds) == ["0", "1", "1"]
