"""What is exported: the logged model of a run, known to be the one that the run measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_exp import data
from mnist_exp.evaluation import selective
from mnist_exp.runs import classifier
from mnist_exp.runs.recorded_config import as_recorded, placed
from mnist_exp.tracking.read.evidence import Evidence
from mnist_exp.tracking.read.runs import find, require_finished
from mnist_exp.tracking.records import RunRecord

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
        RequestError: there is no such run, it did not finish, or its data are not to be had.
        ExperimentError: the model is not the one that the run measured.
    """
    found = find(selector)
    run = found.record
    require_finished(run)
    evidence = Evidence(run, found.store.uri)
    config = placed(evidence, as_recorded(evidence))
    splits = data.load(config.data.name, seed=config.seed, **config.data.options())
    classifier.require_own_data(
        run, splits, "An export is checked with the images that the run was tested on."
    )
    return Source(run, classifier.load(run, config, found.store), splits)
