"""A run as MLflow knows it, in plain values, so that readers need no MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass

from mnist_exp.evaluation.names import CHOSEN_VAL_ACCURACY, VAL_ACCURACY
from mnist_exp.tracking.names import ENSEMBLE_TAG, JOB_ID_TAG, OUTCOME_TAG, SPACE_TAG


@dataclass(frozen=True)
class RunRecord:
    """One run; `metrics` has the last value of each, times are unix milliseconds."""

    run_id: str
    name: str
    status: str  # RUNNING, SCHEDULED, FINISHED, FAILED or KILLED
    deleted: bool
    start_time: int
    end_time: int | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    artifact_uri: str  # where its artifacts are

    @property
    def job_id(self) -> str | None:
        """The id of the job folder; None for runs that mnist_exp did not make."""
        return self.tags.get(JOB_ID_TAG)

    @property
    def is_sweep(self) -> bool:
        """Whether this is the parent of a sweep's runs, which trained nothing itself."""
        return SPACE_TAG in self.tags

    @property
    def is_member(self) -> bool:
        """Whether this was trained as a part of an ensemble, which has a run of its own."""
        return ENSEMBLE_TAG in self.tags

    @property
    def outcome(self) -> str | None:
        """`finished`, `pruned`, `failed` or `killed`; None while the run goes on."""
        return self.tags.get(OUTCOME_TAG)

    @property
    def has_ended(self) -> bool:
        """Whether MLflow says so: a copy of a store may be of the moment between its two signs."""
        return self.status not in {"RUNNING", "SCHEDULED"}

    @property
    def validation_accuracy(self) -> float | None:
        """On validation, 0-1, of the weights that were kept; None where nothing was validated."""
        return validation_accuracy(self.metrics)


def validation_accuracy(metrics: Mapping[str, float]) -> float | None:
    """Returns the accuracy on validation, 0-1, of the weights that were kept.

    Args:
        metrics: of a run, the last value of each.
    """
    return metrics.get(CHOSEN_VAL_ACCURACY, metrics.get(VAL_ACCURACY))
