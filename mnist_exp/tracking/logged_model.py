"""The model of a run: written to the job folder with Keras, sent to MLflow without it.

What the folder holds is what `mlflow.keras.log_model` would have made; sending adds the ids.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.errors import RequestError
from mnist_exp.tracking.store import Store


def save_model(
    model: Any,
    folder: Path,
    *,
    requirements: Sequence[str],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes a Keras model as an MLflow model.

    Args:
        model: A built Keras model, uint8 [N, 28, 28] to float32 [N, 10].
        folder: Where it goes; an older one there is replaced when the new one is complete.
        requirements: What pip needs to load it. Explicit ones save MLflow a search of seconds.
        metadata: Kept in the MLmodel file.
    """
    import mlflow.keras
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("uint8"), (-1, 28, 28))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 10))]),
    )
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    mlflow.keras.save_model(
        model,
        str(part),
        signature=signature,
        pip_requirements=list(requirements),
        metadata=dict(metadata) if metadata is not None else None,
    )
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def send_model(store: Store, run_id: str, folder: Path, name: str) -> str:
    """Makes a saved model the logged model of a run, once.

    A model that an earlier try left unfinished is completed; a finished one is left alone.

    Args:
        store: Where to.
        run_id: The run that made the model.
        folder: What `save_model` wrote.
        name: The model's name in MLflow.

    Returns:
        The model id.
    """
    from mlflow.entities import LoggedModelOutput

    client = store.client
    run = client.get_run(run_id)
    model = _find(client, run, name)
    if model is None:
        model = client.create_logged_model(
            run.info.experiment_id, name=name, source_run_id=run_id, params=run.data.params
        )
    linked = {output.model_id for output in (run.outputs.model_outputs if run.outputs else [])}
    if model.model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    if str(model.status) != "READY":
        _write_ids(folder, model, run_id)
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def model_id(store: Store, run_id: str) -> str | None:
    """Returns the id of the run's logged model, the newest if there are more; None without one."""
    outputs = store.client.get_run(run_id).outputs
    models = [store.client.get_logged_model(o.model_id) for o in outputs.model_outputs or []]
    ready = [model for model in models if str(model.status) == "READY"]
    return max(ready, key=lambda m: m.creation_timestamp).model_id if ready else None


def model_path(store: Store, run_id: str) -> Path:
    """Returns the folder of the run's model in MLflow's format; a remote one is downloaded.

    Raises:
        RequestError: The run has no model.
    """
    found = model_id(store, run_id)
    if found is None:
        raise RequestError(
            f"Expected a run with a logged model. Received: {run_id}, which has none: only runs "
            "that finished have one. Choose another with `mnist-exp runs`."
        )
    from mlflow.artifacts import download_artifacts

    location = store.client.get_logged_model(found).artifact_location
    return Path(download_artifacts(artifact_uri=location, tracking_uri=store.uri))


def keras_file(folder: Path) -> Path:
    """Returns the `.keras` file inside a model folder."""
    return folder / "data" / "model.keras"


def _find(client: Any, run: Any, name: str) -> Any:
    """Returns the model that this run made already, finished before unfinished; else None."""
    found = client.search_logged_models(
        [run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}' AND name = '{name}'",
    )
    ready = [model for model in found if str(model.status) == "READY"]
    pending = [model for model in found if str(model.status) == "PENDING"]
    return next(iter(ready + pending), None)


def _write_ids(folder: Path, logged: Any, run_id: str) -> None:
    """Writes into the MLmodel file what MLflow's own `Model.log` does."""
    from mlflow.models import Model

    file = folder / "MLmodel"
    model = Model.load(str(file))
    model.artifact_path = logged.artifact_location
    model.model_uuid = logged.model_id
    model.model_id = logged.model_id
    model.run_id = run_id
    part = file.with_name("MLmodel.part")
    model.save(str(part))
    part.replace(file)
