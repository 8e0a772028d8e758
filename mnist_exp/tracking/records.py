"""A run as MLflow knows it, in plain values, so that readers need no MLflow."""

from dataclasses import dataclass

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
