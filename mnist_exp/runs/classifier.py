"""The Keras model that a run logged, and its data, known to be those that the run measured."""

from typing import TYPE_CHECKING

from mnist_exp import data
from mnist_exp.config.schema import Config
from mnist_exp.core import devices, hardware
from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.tracking.mlflow.logged_model import keras_file, model_path, require_as_saved
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import DATA_TAG, WEIGHTS_TAG
from mnist_exp.tracking.records import RunRecord

if TYPE_CHECKING:
    import keras


def load(run: RunRecord, config: Config, store: Store) -> "keras.Model":
    """Loads the model of a run: uint8 [batch, 28, 28] -> probabilities float32 [batch, 10].

    Args:
        run: which finished.
        config: the run's, as it was recorded.
        store: the one that keeps it.

    Raises:
        RequestError: the run has none.
        ExperimentError: the model is damaged, or was altered since.
    """
    folder = model_path(store, run.run_id)
    file = keras_file(folder)
    hardware.start_tensorflow(config.training.threads, devices.here(config.training.device))
    import keras

    from mnist_exp.models import networks
    from mnist_exp.runs import artifacts

    name, recorded = run.name, run.tags.get(WEIGHTS_TAG, "")
    try:
        require_as_saved(folder)
        classifier = keras.saving.load_model(file)
        digest = artifacts.weights_digest(networks.network_of(classifier))
    except Exception as problem:
        raise ExperimentError(
            f"Expected the Keras model of run {name} in {file}. Received: {reason_of(problem)}. "
            "The model is missing, damaged or altered; restore it, or choose another run with "
            "`mnist-exp runs`."
        ) from problem
    if recorded and digest != recorded:
        raise ExperimentError(
            f"Expected the model of run {name} to have the weights that were measured, with "
            f"SHA-256 {recorded}. Received: {file}, whose weights have {digest}. The file was "
            "altered; restore it, or choose another run with `mnist-exp runs`."
        )
    return classifier


def require_own_data(run: RunRecord, splits: data.Splits, remedy: str) -> None:
    """Refuses data other than those that a run was tested on.

    Args:
        run: whose data are wanted; a run that recorded none takes any.
        splits: what was found.
        remedy: a sentence, besides "Restore them."

    Raises:
        RequestError: these are other data.
    """
    recorded = run.tags.get(DATA_TAG, splits.digest)
    if splits.digest != recorded:
        raise RequestError(
            f"Expected the data of run {run.name}, with SHA-256 {recorded}. Received: "
            f"other data, {splits.source} with SHA-256 {splits.digest}. Restore them. {remedy}"
        )
