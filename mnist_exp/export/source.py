"""What is exported: the logged model of a run, known to be the one that the run measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_exp import classifier, data, selective
from mnist_exp.config import Config, from_record
from mnist_exp.errors import ExperimentError
from mnist_exp.evidence import Evidence
from mnist_exp.lookup import find
from mnist_exp.tracking import RunRecord
from mnist_exp.tracking.logged_model import model_path
from mnist_exp.tracking.records import DATA_TAG

if TYPE_CHECKING:
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
    return Source(run, classifier.load(run, config, folder), splits)


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
