"""One job of a sweep as it travels to the process or machine that runs it: plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_exp.config.schema import Config
from mnist_exp.tracking.names import DATA_TAG, KEY_TAG, OVERRIDES_TAG, SWEEP_TAG, TRIAL_TAG

if TYPE_CHECKING:
    from mnist_exp.sweeps.search.pruning import Peers


@dataclass(frozen=True)
class Assignment:
    """What a job is within its sweep."""

    key: str
    overrides: tuple[str, ...]  # what sets it apart
    data: str = ""  # digest of the data that were planned for
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
        if self.data:
            tags[DATA_TAG] = self.data
        if self.trial is not None:
            tags[TRIAL_TAG] = json.dumps({"number": self.trial, "params": self.params})
        return tags


@dataclass(frozen=True)
class Task:
    """A job, composed and checked: nothing is composed where it runs."""

    config: Config  # with the sweep's name and the job's number
    hydra: Mapping[str, Any]  # its `hydra` section, for the job folder and what Hydra does there
    choices: Mapping[str, str]  # config group -> chosen option
    overrides: tuple[str, ...]  # what was typed, and what the sweep chose
    assignment: Assignment
    parent_job_id: str
    permit: str  # a file; once it is gone, what waits in a queue does not begin
    process: int | None  # id of the sweep's process, where the worker is its child
    threads: int | None  # where the config does not say; None: every core that the job is given
