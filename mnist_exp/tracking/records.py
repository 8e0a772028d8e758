"""A run as MLflow knows it, in plain values, so that readers need no MLflow."""

from dataclasses import dataclass

JOB_ID_TAG = "mnist_exp.job_id"
CODE_TAG = "mnist_exp.code_sha256"
DATA_TAG = "mnist_exp.data_sha256"
WEIGHTS_TAG = "mnist_exp.weights_sha256"
OUTCOME_TAG = "mnist_exp.outcome"
SPACE_TAG = "mnist_exp.sweep_space"  # JSON, of the parent run of a sweep: what is explored
ENSEMBLE_TAG = "mnist_exp.ensemble"  # of a member: the job id of the run that it is a part of
ARTIFACTS_TAG = "mnist_exp.artifacts_sha256"  # of the artifact DIGESTS
DIGESTS = "sha256sums.txt"  # every other artifact of a run, as `sha256sum` writes it
FAILURE_TAG = "mnist_exp.failure"  # why a run failed, in a line; empty where it then went on
RESUMED_TAG = "mnist_exp.resumed_with"  # what was not the same in all parts of a run, in words
OTHER_CODE = "other code"  # one of them


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
