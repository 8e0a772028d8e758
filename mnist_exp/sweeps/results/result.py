"""What came of one job of a sweep, in plain values that travel between processes and machines."""

from dataclasses import dataclass

from mnist_exp.evaluation.names import TOTAL_SECONDS
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.tracking.journal.events import Outcome


@dataclass(frozen=True)
class JobResult:
    """One job that has ended."""

    number: int  # `sweep.job`, from 0: the sweep's own number, kept from one command to the next
    key: str  # SHA-256 of what determines the result
    overrides: tuple[str, ...]  # what sets the job apart within its sweep, the seed among it
    params: dict[str, str]  # the whole config: dotted key -> text
    outcome: Outcome
    run_id: str | None  # MLflow's; None where MLflow does not have the run yet
    run_name: str
    metrics: dict[str, float]  # the last value of each
    epochs: dict[int, float]  # epoch -> objective
    reason: str  # why it failed, in a line; empty where it did not
    start_time: int  # unix milliseconds
    end_time: int
    trial: int | None  # of a search

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.params["seed"])

    @property
    def objective(self) -> Objective:
        """What it is compared by; test images have no say."""
        return Objective.of(self.params)

    @property
    def value(self) -> float:
        """Its value of the objective, NaN where it has none."""
        return self.objective.value(self.metrics)

    @property
    def seconds(self) -> float:
        """How long it took; one that broke off has said only when it began and ended."""
        elapsed = max(0, self.end_time - self.start_time) / 1000
        return self.metrics.get(TOTAL_SECONDS, elapsed)
