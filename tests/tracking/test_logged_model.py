"""The model that a run logs can be found in MLflow, loaded by its id, and is one."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from invoke import python

from mnist_exp.core.errors import RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.events import Model
from mnist_exp.tracking.mlflow.logged_model import (
    keras_file,
    model_id,
    model_path,
    require_as_saved,
    save_model,
    send_model,
)
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.recorder import Recorder

REQUIREMENTS = ["keras==3.15.0", "tensorflow==2.21.0"]
EVENT = Model(1, "model", REQUIREMENTS, "3.15.0", "tensorflow")


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(network, folder)
    return folder


@pytest.fixture
def killed(store, start_run, saved) -> Recorder:
    """A run in MLflow, with a model in its folder that nobody sent."""
    recorder = start_run()
    recorder.metrics({"test/accuracy": 0.5})
    recorder.end("killed")
    shutil.copytree(saved, recorder.job_dir / "artifacts" / "model")
    return recorder


def models(store: Store, run_id: str) -> list[tuple[str, str]]:
    """Returns id and status of the run's outputs, which must be all the models there are."""
    run = store.client.get_run(run_id)
    found = store.client.search_logged_models([run.info.experiment_id])
    outputs = [output.model_id for output in run.outputs.model_outputs]
    assert sorted(outputs) == sorted(model.model_id for model in found)
    return [(model.model_id, str(model.status)) for model in found]


def test_saving_writes_nothing_else(network, sealed_environment):
    save_model(network, Path("model"))
    save_model(network, Path("model"))
    assert [path.name for path in sealed_environment.iterdir()] == ["model"]


def test_the_folder_is_what_mlflow_itself_would_make(store, start_run, network):
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    recorder = start_run()
    recorder.model(network, requirements=REQUIREMENTS)
    assert recorder.end("finished")
    ours = model_path(store, recorder.run_id)
    mlflow.keras.save_model(
        network,
        "theirs",
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype("uint8"), (-1, 28, 28))]),
            Schema([TensorSpec(np.dtype("float32"), (-1, 10))]),
        ),
        pip_requirements=REQUIREMENTS,
    )
    files = {path.relative_to("theirs") for path in Path("theirs").rglob("*") if path.is_file()}
    assert {path.relative_to(ours) for path in ours.rglob("*") if path.is_file()} == files
    for name in files - {Path("MLmodel"), Path("data/model.keras")}:
        assert (ours / name).read_text() == (Path("theirs") / name).read_text()
    described = yaml.safe_load((ours / "MLmodel").read_text())
    for key, value in yaml.safe_load(Path("theirs/MLmodel").read_text()).items():
        # A .keras file holds the time at which it was written.
        if key not in {"utc_time_created", "model_uuid", "model_id", "model_size_bytes"}:
            assert described[key] == value, key


def test_a_model_shows_what_its_run_measured_last_and_the_run_has_it_once(
    store, start_run, network
):
    recorder = start_run()
    for outcome, loss in (("killed", 1.0), ("finished", 2.0)):
        recorder.model(network, requirements=REQUIREMENTS)
        recorder.metrics({"test/accuracy": 0.5, "test/loss": loss})
        assert recorder.end(outcome)
        if outcome == "killed":
            recorder = Recorder.resume(recorder.job_dir)
            time.sleep(0.002)  # a later millisecond
    history = store.client.get_metric_history
    assert len(history(recorder.run_id, "test/accuracy")) == 1
    assert [point.value for point in history(recorder.run_id, "test/loss")] == [1.0, 2.0]
    shown = store.client.get_logged_model(model_id(store, recorder.run_id)).metrics
    assert {metric.key: metric.value for metric in shown} == {
        "test/accuracy": 0.5,
        "test/loss": 2.0,
    }


def test_a_run_logs_its_model(store, start_run, network):
    import mlflow

    recorder = start_run()
    recorder.model(network, requirements=REQUIREMENTS)
    recorder.metrics({"test/accuracy": 0.5})
    assert recorder.end("finished")

    ((model, status),) = models(store, recorder.run_id)
    assert (model, status) == (model_id(store, recorder.run_id), "READY")
    logged = store.client.get_logged_model(model)
    assert (logged.name, logged.source_run_id) == ("model", recorder.run_id)
    assert logged.params == {"seed": "1", "model.name": "cnn"}
    assert [(m.key, m.value) for m in logged.metrics] == [("test/accuracy", 0.5)]
    assert not (recorder.job_dir / "artifacts").exists()

    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    mlflow.set_tracking_uri(store.uri)
    try:
        loaded = mlflow.pyfunc.load_model(f"models:/{model}")
    finally:
        mlflow.set_tracking_uri(None)
    np.testing.assert_array_equal(
        loaded.predict(images), network.predict(images, verbose=0), strict=True
    )
    assert loaded.metadata.run_id == recorder.run_id
    assert loaded.metadata.model_id == model
    assert "uint8" in json.dumps(loaded.metadata.signature.to_dict())
    assert model_path(store, recorder.run_id).joinpath("MLmodel").is_file()


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (("MLmodel", "loader_module: mlflow.keras", "loader_module: evil"), "loader_module evil"),
        (("MLmodel", "data: data", "data: other"), "data other"),
        (("MLmodel", "python_version:", "code: code\n    python_version:"), "code"),
        (("MLmodel", "python_version:", "data: other\n    python_version:"), "more"),
        (("data/keras_module.txt", "keras", "evil"), "module evil"),
        (("data/custom_objects.cloudpickle", "", "x"), "custom_objects"),
    ],
)
def test_a_model_that_would_load_something_else_is_refused(
    store, start_run, network, change, received
):
    recorder = start_run()
    recorder.model(network, requirements=REQUIREMENTS)
    assert recorder.end("finished")
    folder = model_path(store, recorder.run_id)
    require_as_saved(folder)
    file, before, after = change
    text = (folder / file).read_text() if before else ""
    assert before in text
    (folder / file).write_text(text.replace(before, after, 1))
    with pytest.raises(ValueError, match=received):
        require_as_saved(folder)


def test_sending_twice_makes_no_second_model(store, killed):
    folder = killed.job_dir / "artifacts" / "model"
    first = send_model(store, killed.run_id, folder, EVENT)
    assert send_model(store, killed.run_id, folder, EVENT) == first
    assert models(store, killed.run_id) == [(first, "READY")]


@pytest.mark.parametrize("call", ["log_outputs", "log_model_artifacts", "finalize_logged_model"])
def test_a_model_that_a_crash_left_is_completed(store, killed, call, monkeypatch):
    folder = killed.job_dir / "artifacts" / "model"

    def crash(*_, **__):
        raise ConnectionError(call)

    with monkeypatch.context() as patch:
        patch.setattr(type(store.client), call, crash)
        with pytest.raises(ConnectionError):
            send_model(store, killed.run_id, folder, EVENT)
    send_model(store, killed.run_id, folder, EVENT)
    ((_, status),) = models(store, killed.run_id)
    assert status == "READY"
    assert keras_file(model_path(store, killed.run_id)).is_file()


def test_a_run_without_a_model_says_so(store, start_run):
    recorder = start_run()
    recorder.end("failed")
    assert model_id(store, recorder.run_id) is None
    with pytest.raises(RequestError, match="Received: cnn-job-1, which made none"):
        model_path(store, recorder.run_id)


def test_a_waiting_model_is_sent_without_tensorflow(store, killed):
    writer = journal.Journal.reopen(killed.job_dir)
    writer.append(EVENT)
    writer.close()
    code = """
import sys
from pathlib import Path
from mnist_exp.tracking.sync.recovery import recover
from mnist_exp.tracking.journal import pending_runs
pending_runs.add(Path.cwd(), "job-1", Path.cwd() / "outputs/job-1")
print([run.result for run in recover(Path.cwd())])
print({"tensorflow", "keras"} & set(sys.modules))
"""
    answer = python(code, fresh=True, check=True)
    assert (answer.stdout, answer.stderr) == ("['sent']\nset()\n", "")
    ((_, status),) = models(store, killed.run_id)
    assert status == "READY"


def test_a_server_takes_the_model(server, start_run, network):
    server.up()
    recorder = start_run(uri=server.uri)
    recorder.model(network, requirements=REQUIREMENTS)
    assert recorder.end("finished")
    store = Store(server.uri, "mnist")
    ((_, status),) = models(store, recorder.run_id)
    assert status == "READY"
    assert keras_file(model_path(store, recorder.run_id)).is_file()


def test_a_store_that_does_not_answer_is_no_defect(sealed_environment):
    with pytest.raises(RequestError, match="Expected an MLflow store that answers at"):
        model_path(Store("http://127.0.0.1:9", "mnist"), "0" * 32)
