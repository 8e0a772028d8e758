"""What is exported: the logged model of a run, known to be the one that the run measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_exp import data, machine, selective
from mnist_exp.config import Config, from_record
from mnist_exp.errors import ExperimentError, reason_of
from mnist_exp.evidence import Evidence
from mnist_exp.lookup import find
from mnist_exp.tracking import RunRecord
from mnist_exp.tracking.logged_model import keras_file, model_path
from mnist_exp.tracking.records import DATA_TAG, WEIGHTS_TAG

if TYPE_CHECKING:
    from pathlib import Path

    import keras


@dataclass(frozen=True, eq=False)
class Source:
    """A model, and the images that it is checked with."""

    run: RunRecord
    classifier: "keras.Model"  # uint8 [batch, 28, 28] -> probabilities float32 [batch, 10]
    splits: data.Splits  # the run's own

    @property
    def threshold(self) -> float | None:
        """The least confidence at which the model should answer; None where it is not known."""
        return self.run.metrics.get(selective.THRESHOLD)


def load(selector: str) -> Source:
    """Loads the model of a run, and the run's data.

    Args:
        selector: what names the run.

    Raises:
        RequestError: there is no such run, it has no model, or its data are not to be had.
        ExperimentError: the model or the data are not those of the run.
    """
    found = find(selector)
    run = found.record
    folder = model_path(found.store, run.run_id)
    config = from_record(Evidence(run, found.store.uri).config)
    splits = _splits(run, config)
    machine.start_tensorflow(config.training.threads)
    return Source(run, _classifier(run, config, keras_file(folder)), splits)


def _splits(run: RunRecord, config: Config) -> data.Splits:
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    recorded = run.tags.get(DATA_TAG, splits.digest)
    if splits.digest != recorded:
        raise ExperimentError(
            f"Expected the data of run {run.name}, with SHA-256 {recorded}. Received: other data, "
            f"{splits.source} with SHA-256 {splits.digest}. Restore them; an export is checked "
            "with the images that the run was tested on."
        )
    return splits


def _classifier(run: RunRecord, config: Config, file: "Path") -> "keras.Model":
    import keras

    from mnist_exp import artifacts, models

    recorded = run.tags.get(WEIGHTS_TAG, "")
    try:
        classifier = keras.saving.load_model(file)
        digest = artifacts.weights_digest(models.network_of(classifier), config.model.name)
    except Exception as problem:
        raise ExperimentError(
            f"Expected the Keras model of run {run.name} in {file}. Received: "
            f"{reason_of(problem)}. The file is missing or damaged; restore it, or choose another "
            "run with `mnist-exp runs`."
        ) from problem
    if recorded and digest != recorded:
        raise ExperimentError(
            f"Expected the model of run {run.name} to have the weights that were measured, with "
            f"SHA-256 {recorded}. Received: {file}, whose weights have {digest}. The file was "
            "altered; restore it, or choose another run with `mnist-exp runs`."
        )
    return classifier
