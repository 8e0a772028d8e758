"""RUN on the command line means one run, or says why not."""

import math

import pytest

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking.names import ENSEMBLE_TAG, OUTCOME_TAG, SWEEP_TAG
from mnist_exp.tracking.read.experiment import Experiment
from mnist_exp.tracking.read.selection import select


@pytest.fixture
def runs(add_run) -> dict[str, str]:
    """Five runs, the newest last: name -> id, of which `twin` has two."""
    return {
        "nan": add_run("0", 1, name="twin", accuracy=math.nan),
        "twin": add_run("1", 2, name="twin", accuracy=None),
        "cnn-2": add_run("2", 3, accuracy=0.99),
        "cnn-3": add_run("3", 4, accuracy=0.98),
        "cnn-4": add_run("4", 5, accuracy=0.999, ended=False),
    }


def test_a_selector_names_one_run(experiment, runs):
    for selector, expected in {
        "latest": "cnn-4",
        "best": "cnn-2",
        runs["cnn-3"]: "cnn-3",
        "cnn-3": "cnn-3",
        runs["cnn-4"][:12]: "cnn-4",
    }.items():
        assert select(selector, experiment).name == expected


def test_best_means_the_weights_that_were_kept(experiment, runs, add_run):
    kept = add_run("5", accuracy=0.9, chosen=0.995)
    assert select("best", experiment).run_id == kept


def test_all_of_a_few_images_are_no_more_than_nearly_all_of_many(experiment, add_run):
    few = add_run("digits", accuracy=1.0, params={"data.validation_images": "200"})
    add_run("worse", accuracy=0.95, params={"data.validation_images": "5000"})
    assert select("best", experiment).run_id == few
    many = add_run("mnist", accuracy=0.996, params={"data.validation_images": "5000"})
    assert select("best", experiment).run_id == many


def test_members_of_an_ensemble_are_meant_by_name_alone(experiment, runs, add_run):
    member = add_run("5", 6, accuracy=1.0, tags={ENSEMBLE_TAG: "an-id"})
    for selector, expected in {"latest": "cnn-4", "best": "cnn-2", "cnn-5": "cnn-5"}.items():
        assert select(selector, experiment).name == expected
    for run_id in runs.values():
        experiment.store.client.delete_run(run_id)
    assert select("latest", experiment).run_id == member


def test_pruned_runs_are_never_best(experiment, runs, add_run):
    add_run("5", accuracy=1.0, tags={OUTCOME_TAG: "pruned"})
    assert select("best", experiment).name == "cnn-2"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("twin", r"means 2: \w{8} \(twin\), \w{8} \(twin\)\. Give more of the run id"),
        ("cnm-3", "Did you mean 'cnn-3'"),
        ("lastest", "Did you mean 'latest'"),
        ("it's 100%", "Expected a run id"),
        ("", "Expected a run id"),
    ],
)
def test_what_names_none_or_several_is_refused(experiment, runs, selector, message):
    with pytest.raises(RequestError, match=message):
        select(selector, experiment)


def test_a_beginning_of_several_ids_is_refused(experiment, add_run):
    seen = {}
    while len(seen) < 17:  # of 17 ids two begin with the same of 16 characters
        run_id = add_run(str(len(seen)))
        if run_id[0] in seen:
            break
        seen[run_id[0]] = run_id
    with pytest.raises(RequestError, match="means 2"):
        select(run_id[0], experiment)


def test_a_long_list_of_candidates_is_cut(experiment, add_run):
    for number in range(12):
        add_run(str(number), name="same")
    with pytest.raises(RequestError, match=r"means 12: .* and 2 more"):
        select("same", experiment)


def test_best_needs_a_validated_run(experiment, add_run):
    add_run("1", accuracy=None)
    add_run("2", accuracy=math.nan)
    with pytest.raises(RequestError, match=r"Received: none.*validation_images above 0"):
        select("best", experiment)


def test_best_of_runs_that_did_not_finish_is_one_to_resume(experiment, add_run):
    for number in range(5):
        add_run(str(number), number + 1, ended=False)
    told = r"did not finish: cnn-4, .* and 2 more\. Finish one with `mnist-exp resume cnn-4`"
    with pytest.raises(RequestError, match=told):
        select("best", experiment)


def test_the_name_of_a_sweep_is_no_run(experiment, add_run):
    add_run("1", tags={SWEEP_TAG: "my sweep"})
    with pytest.raises(RequestError, match=r"is a sweep\. `mnist-exp compare --sweep 'my sweep'`"):
        select("my sweep", experiment)


@pytest.mark.parametrize("selector", ["latest", "best", "@champion", "cnn-1"])
def test_without_runs_it_says_how_to_make_one(experiment, selector):
    with pytest.raises(RequestError, match="mnist-exp train"):
        select(selector, experiment)


def test_the_champion_is_the_registered_one(experiment, add_run):
    run_id = add_run("1")
    with pytest.raises(RequestError, match="mnist-exp promote RUN"):
        select("@champion", experiment)
    client = experiment.store.client
    client.create_registered_model("mnist")
    version = client.create_model_version(
        "mnist", experiment.get(run_id).artifact_uri, run_id=run_id
    )
    client.set_registered_model_alias("mnist", "champion", version.version)
    assert select("@champion", experiment).run_id == run_id
    other = Experiment(experiment.uri, "other")
    with pytest.raises(RequestError, match="deleted or in another one"):
        select("@champion", other)
