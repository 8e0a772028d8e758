"""The model of a run: saved to the job folder by Keras, made MLflow's without it.

Only the process that trains has Keras; only the one that sends loads MLflow. The folder ends up
holding what `mlflow.keras.log_model` would have made, as a test makes sure.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_exp.core import plain_yaml
from mnist_exp.core.errors import RequestError, reason_of
from mnist_exp.tracking.journal import staging
from mnist_exp.tracking.journal.events import Model
from mnist_exp.tracking.mlflow.store import Store, answering
from mnist_exp.tracking.names import OUTCOME_TAG

_DATA = "data"
_KERAS_FILE = "model.keras"
_MODULE_FILE = "keras_module.txt"
_MODULE = "keras"
_LOADER = "mlflow.keras"
_DESCRIPTION_FILE = "MLmodel"


def save_model(model: Any, folder: Path) -> None:
    """Writes a Keras model where MLflow's format wants it.

    Args:
        model: A built Keras model, uint8 [N, 28, 28] to float32 [N, 10].
        folder: Where it goes; an older one there is replaced when the new one is complete.
    """
    part = folder.with_name(staging.PARTS) / folder.name
    shutil.rmtree(part, ignore_errors=True)
    (part / _DATA).mkdir(parents=True)
    model.save(keras_file(part))
    (part / _DATA / _MODULE_FILE).write_text(_MODULE, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    with contextlib.suppress(OSError):  # it holds others
        part.parent.rmdir()


def send_model(store: Store, run_id: str, folder: Path, event: Model) -> str:
    """Makes a saved model the logged model of a run, once.

    A model that an earlier try left unfinished is completed; a finished one is left alone.

    Args:
        store: Where to.
        run_id: The run that made the model.
        folder: What `save_model` wrote.
        event: What the run told of it.

    Returns:
        The model id.
    """
    from mlflow.entities import LoggedModelOutput

    client = store.client
    run = client.get_run(run_id)
    model = _find(client, run, event.path)
    if model is None:
        model = client.create_logged_model(
            run.info.experiment_id, name=event.path, source_run_id=run_id, params=run.data.params
        )
    linked = {output.model_id for output in (run.outputs.model_outputs if run.outputs else [])}
    if model.model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    store.require_own(model.artifact_location, model.experiment_id)
    if str(model.status) != "READY":
        _complete(folder, event, model, run_id)
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def model_id(store: Store, run_id: str) -> str | None:
    """Returns the id of the run's logged model, the newest if there are more; None without one."""
    outputs = store.client.get_run(run_id).outputs
    models = [_get(store.client, output.model_id) for output in outputs.model_outputs or []]
    ready = [model for model in models if model is not None and str(model.status) == "READY"]
    return max(ready, key=lambda m: m.creation_timestamp).model_id if ready else None


def logged_model(store: Store, run_id: str) -> Any:
    """Returns the run's logged model as MLflow describes it.

    Raises:
        RequestError: The run has no model, its files are gone, or lie where the store has none.
    """
    found = model_id(store, run_id)
    if found is None:
        run = store.client.get_run(run_id)
        had = run.data.tags.get(OUTCOME_TAG) == "finished"
        raise RequestError(
            f"Expected a run with a logged model. Received: {run.info.run_name}, "
            f"{'whose model was deleted in MLflow' if had else 'which made none'}. Choose another "
            "with `mnist-exp runs`."
        )
    model = store.client.get_logged_model(found)
    store.require_own(model.artifact_location, model.experiment_id)
    files = store.client.list_logged_model_artifacts(found)
    if not any(file.path == _DESCRIPTION_FILE for file in files):
        raise RequestError(
            f"Expected the files of a run's logged model in {model.artifact_location}. Received: "
            f"no {_DESCRIPTION_FILE} there. Restore them."
        )
    return model


def model_path(store: Store, run_id: str) -> Path:
    """Returns the folder of the run's model in MLflow's format; a remote one is downloaded.

    Raises:
        RequestError: The run has no model, its files are gone, or what keeps them does not answer.
    """
    from mlflow.artifacts import download_artifacts

    with answering(store.uri):
        location = logged_model(store, run_id).artifact_location
        return Path(download_artifacts(artifact_uri=location, tracking_uri=store.uri))


def keras_file(folder: Path) -> Path:
    """Returns the `.keras` file inside a model folder."""
    return folder / _DATA / _KERAS_FILE


def require_as_saved(folder: Path) -> None:
    """Refuses a model folder by which MLflow would load anything but its Keras file.

    Raises:
        ValueError: It has other code, other data, or objects that would be unpickled.
    """
    for name, told, expected in _kept(folder):
        if told != expected:
            raise ValueError(f"{name} {told} in place of {expected}")


def _kept(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yields what decides what MLflow would load: its name, what it is, and what it has to be."""
    try:
        description = plain_yaml.load((folder / _DESCRIPTION_FILE).read_text(encoding="utf-8"))
        flavors = description["flavors"]
        function, own = flavors["python_function"], flavors["keras"]
        yield "flavors", sorted(flavors), ["keras", "python_function"]
        yield "loader_module", function["loader_module"], _LOADER
        more = {"code", "config", "data"} & {*function} | {"code", "config"} & {*own}
        yield "more", sorted(more), []
        yield "data", own["data"], _DATA
    except (KeyError, TypeError) as problem:
        raise ValueError(f"{_DESCRIPTION_FILE} without {reason_of(problem)}") from problem
    yield "files", sorted(f.name for f in (folder / _DATA).iterdir()), [_MODULE_FILE, _KERAS_FILE]
    module = (folder / _DATA / _MODULE_FILE).read_text(encoding="utf-8").strip()
    yield "module", module, _MODULE


def _get(client: Any, model_id: str) -> Any:
    """Returns a logged model; None when it was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_logged_model(model_id)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _find(client: Any, run: Any, name: str) -> Any:
    """Returns the model that this run made already, finished before unfinished; else None."""
    found = client.search_logged_models(
        [run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}' AND name = '{name}'",
    )
    ready = [model for model in found if str(model.status) == "READY"]
    pending = [model for model in found if str(model.status) == "PENDING"]
    return next(iter(ready + pending), None)


def _complete(folder: Path, event: Model, logged: Any, run_id: str) -> None:
    """Writes what MLflow wants beside the saved model: how to load it, and what that needs."""
    import numpy as np
    import yaml
    from mlflow import pyfunc
    from mlflow.models import Model as Description
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec
    from mlflow.utils.environment import _process_pip_requirements, _PythonEnv

    (folder / _DESCRIPTION_FILE).unlink(missing_ok=True)  # of a try that was cut off
    model = Description(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("uint8"), (-1, 28, 28))]),
            outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 10))]),
        ),
    )
    model.add_flavor(
        "keras",
        data=_DATA,
        keras_version=event.keras_version,
        keras_backend=event.keras_backend,
        save_exported_model=False,
    )
    pyfunc.add_to_model(
        model, loader_module=_LOADER, conda_env="conda.yaml", python_env="python_env.yaml"
    )
    model.model_size_bytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    conda, requirements, _ = _process_pip_requirements(None, list(event.requirements), None)
    (folder / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda), encoding="utf-8")
    _PythonEnv.current().to_yaml(str(folder / "python_env.yaml"))
    model.save(str(folder / _DESCRIPTION_FILE))
