"""What a job is told of its sweep: plain values that travel with it to any process or machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_exp.tracking.names import KEY_TAG, OVERRIDES_TAG, SWEEP_TAG, TRIAL_TAG

if TYPE_CHECKING:
    from mnist_exp.sweeps.search.pruning import Peers


@dataclass(frozen=True)
class Assignment:
    """One job."""

    key: str
    overrides: tuple[str, ...]  # what sets it apart
    trial: int | None = None
    params: Mapping[str, Any] | None = None  # of the trial
    peers: "Peers | None" = None  # what the trial is compared with, where it may be pruned

    def tags(self, sweep: str) -> dict[str, str]:
        """Returns what the job's run is found by."""
        tags = {
            SWEEP_TAG: sweep,
            KEY_TAG: self.key,
            OVERRIDES_TAG: json.dumps(self.overrides),
        }
        if self.trial is not None:
            tags[TRIAL_TAG] = json.dumps({"number": self.trial, "params": self.params})
        return tags


@dataclass(frozen=True)
class Membership:
    """The jobs of one launch."""

    sweep: str
    parent_job_id: str
    permit: str  # a file; once it is gone, no further job of the launch begins
    process: int | None  # id of the sweep's process, where workers are its children
    threads: int | None  # of each job that does not say; None: every core that it is given
    assignments: Mapping[int, Assignment] = field(default_factory=dict)  # by `sweep.job`
