"""A run as MLflow knows it, in plain values, so that readers need no MLflow."""

from dataclasses import dataclass

JOB_ID_TAG = "mnist_exp.job_id"
OUTCOME_TAG = "mnist_exp.outcome"


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

    @property
    def job_id(self) -> str | None:
        """The id of the job folder; None for runs that mnist_exp did not make."""
        return self.tags.get(JOB_ID_TAG)

    @property
    def outcome(self) -> str | None:
        """`finished`, `pruned`, `failed` or `killed`; None while the run goes on."""
        return self.tags.get(OUTCOME_TAG)
