"""The registered model: a version for each model, made once, and one champion among them."""

import json
import shutil

import pytest

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.logged_model import logged_model, model_id
from mnist_exp.tracking.mlflow.store import Store

REQUIREMENTS = ["keras==3.15.0", "tensorflow==2.21.0"]


@pytest.fixture
def finished(start_run, network):
    """Makes a run with a logged model; returns its run id."""

    def make(job_id: str = "job-1", **changes) -> str:
        recorder = start_run(job_id, **changes)
        recorder.model(network, requirements=REQUIREMENTS)
        assert recorder.end("finished")
        return recorder.run_id

    return make


def register(store: Store, run_id: str, description: str = "") -> registry.Version:
    return registry.register(store, run_id, description=description, tags={"data": "digits"})


def versions(store: Store) -> list:
    found = store.client.search_model_versions("name = 'mnist'")
    return sorted(found, key=lambda version: int(version.version))


def links(store: Store, run_id: str) -> list:
    return json.loads(logged_model(store, run_id).tags["mlflow.modelVersions"])


def test_the_champion_is_found_by_its_alias(store, finished):
    assert registry.champion(store) is None
    store.client.create_registered_model("mnist")
    assert registry.champion(store) is None
    run_id = finished()
    version = store.client.create_model_version("mnist", "/somewhere", run_id=run_id)
    store.client.set_registered_model_alias("mnist", "champion", version.version)
    assert registry.champion(store) == registry.Version("1", run_id)
    version = store.client.create_model_version("mnist", "/somewhere")
    store.client.set_registered_model_alias("mnist", "champion", version.version)
    assert registry.champion(store) == registry.Version("2", None)


def test_a_model_is_registered_once(store, finished):
    first, second = finished("job-1"), finished("job-2")
    assert register(store, first, "**99%**") == registry.Version("1", first)
    assert register(store, second) == registry.Version("2", second)
    assert register(store, first, "other words") == registry.Version("1", first)
    one, two = versions(store)
    assert (one.description, one.tags, one.run_id) == ("**99%**", {"data": "digits"}, first)
    assert two.run_id == second
    assert links(store, first) == [{"name": "mnist", "version": 1}]
    described = store.client.get_registered_model("mnist").description
    assert "mlflow models serve -m models:/mnist@champion" in described


def test_a_version_that_was_made_in_mlflow_is_taken(store, finished):
    import mlflow

    run_id = finished()
    mlflow.set_tracking_uri(store.uri)
    try:
        theirs = mlflow.register_model(f"models:/{model_id(store, run_id)}", "mnist")
    finally:
        mlflow.set_tracking_uri(None)
    assert register(store, run_id) == registry.Version(str(theirs.version), run_id)
    assert len(versions(store)) == 1
    assert links(store, run_id) == [{"name": "mnist", "version": 1}]


def test_a_registered_model_can_be_loaded_by_its_alias(store, finished):
    import mlflow

    run_id = finished()
    registry.crown(store, register(store, run_id), {"promotion": "the first"})
    mlflow.set_tracking_uri(store.uri)
    try:
        loaded = mlflow.pyfunc.load_model("models:/mnist@champion")
    finally:
        mlflow.set_tracking_uri(None)
    assert loaded.metadata.run_id == run_id


def test_a_description_is_cut_to_what_mlflow_takes(store, finished):
    register(store, finished(), "x" * 6000)
    assert versions(store)[0].description == "x" * 5000


def test_the_reasons_of_an_earlier_promotion_go(store, finished):
    first, second = (register(store, finished(job)) for job in ("job-1", "job-2"))
    registry.crown(store, first, {"promotion": "a", "forced": "worse"})
    registry.crown(store, second, {"promotion": "b"})
    assert versions(store)[0].tags == {"data": "digits", "promotion": "a", "forced": "worse"}
    assert registry.champion(store) == second
    registry.crown(store, first, {"promotion": "c"})
    assert versions(store)[0].tags == {"data": "digits", "promotion": "c"}
    assert registry.champion(store) == first


def test_a_model_that_was_deleted_or_whose_files_are_gone_is_refused(store, finished):
    lost, deleted = finished("job-1"), finished("job-2")
    shutil.rmtree(logged_model(store, lost).artifact_location)
    with pytest.raises(RequestError, match=r"no MLmodel there\. Restore them"):
        register(store, lost)
    store.client.delete_logged_model(model_id(store, deleted))
    with pytest.raises(RequestError, match="cnn-job-2, whose model was deleted in MLflow"):
        register(store, deleted)
    assert store.client.search_registered_models() == []


def test_one_process_promotes_at_a_time(store, python, monkeypatch):
    code = (
        "import sys, time\n"
        "from mnist_exp.tracking.mlflow.store import Store\n"
        "from mnist_exp.tracking.mlflow import registry\n"
        "with registry.promoting(Store(sys.argv[1], 'mnist')):\n"
        "    print('inside', flush=True)\n"
        "    time.sleep(60)\n"
    )
    other = python(code, store.uri)
    assert other.stdout.readline() == "inside\n"
    monkeypatch.setattr(registry, "_LOCK_SECONDS", 0.2)
    with pytest.raises(ExperimentError, match="Another process holds"), registry.promoting(store):
        pytest.fail("two at once")
    other.kill()
    other.wait()
    with registry.promoting(store):
        pass


def test_a_server_takes_versions_and_its_end_is_told(server, finished):
    server.up()
    store = Store(server.uri, "mnist")
    run_id = finished(uri=server.uri)
    version = register(store, run_id)
    assert register(store, run_id) == version
    assert len(versions(store)) == 1
    assert [int(link["version"]) for link in links(store, run_id)] == [1]
    with registry.promoting(store):
        registry.crown(store, version, {"promotion": "the first"})
    assert registry.champion(store) == version
    server.down()
    told = rf"MLflow at {server.uri} to take the promotion.*Give the command again"
    with pytest.raises(ExperimentError, match=told), registry.promoting(store):
        registry.crown(store, version, {})
