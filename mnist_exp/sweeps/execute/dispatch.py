"""A planned job as the task that travels to a worker."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.core import ids
from mnist_exp.core.locks import Lock
from mnist_exp.core.text import without_password
from mnist_exp.sweeps.execute.engines import Engine
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.task import Task

_PERMITS = ".permits"


def withdraw(sweep: str, outputs: Path) -> None:
    """Lets no job of a sweep begin that waits in a queue for a command that is dead.

    Args:
        sweep: its name.
        outputs: where the job folders lie.
    """
    for permit in (outputs / _PERMITS / sweep).glob("*"):
        lock = Lock.take(permit)
        if lock is not None:
            permit.unlink(missing_ok=True)
            lock.release()


class Dispatch:
    """Makes the tasks of one command."""

    def __init__(
        self,
        sweep: str,
        hydra: Mapping[str, Any],
        engine: Engine,
        *,
        parent_job_id: str,
        outputs: Path,
    ) -> None:
        """Permits the jobs of this command to begin.

        Args:
            sweep: its name.
            hydra: the `hydra` section that the jobs have in common.
            engine: where they run.
            parent_job_id: of the sweep's parent run.
            outputs: where the job folders lie.
        """
        self._sweep = sweep
        self._hydra = hydra
        self._engine = engine
        self._parent_job_id = parent_job_id
        self._permit = (outputs / _PERMITS / sweep / ids.new()).absolute()
        self._permit.parent.mkdir(parents=True, exist_ok=True)
        # While a command that comes looks at it, whether this one lives.
        self._living = Lock.take(self._permit, wait_seconds=math.inf)

    def withdraw(self) -> None:
        """Lets nothing begin that waits in a queue."""
        self._permit.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends: nothing begins any more."""
        self.withdraw()
        assert self._living is not None
        self._living.release()

    def task(self, job: PlannedJob) -> Task:
        """Returns what is sent for a job."""
        draft = job.draft
        own = (f"sweep.name={self._sweep!r}", f"sweep.job={job.number}")
        named = draft.config.sweep.model_copy(update={"name": self._sweep, "job": job.number})
        return Task(
            config=draft.config.model_copy(update={"sweep": named}),
            hydra=self._section(job, (*draft.overrides, *own)),
            choices=draft.choices,
            overrides=draft.typed,
            assignment=draft.assignment,
            parent_job_id=self._parent_job_id,
            permit=str(self._permit),
            process=os.getpid() if self._engine.children else None,
            threads=self._engine.threads,
        )

    def _section(self, job: PlannedJob, overrides: tuple[str, ...]) -> dict[str, Any]:
        """Returns the `hydra` section of a job, as Hydra's launchers fill it in.

        Hydra writes it to the job's folder, so the address of a tracking server has no password.
        """
        common = self._hydra
        runtime = common["runtime"]
        section: dict[str, Any] = {
            **common,
            "mode": "MULTIRUN",
            "overrides": {**common["overrides"], "task": list(overrides)},
            "runtime": {**runtime, "choices": {**runtime["choices"], **job.draft.choices}},
            "sweep": {**common["sweep"], "subdir": job.folder},
            "job": {
                **common["job"],
                "id": f"{common['job']['name']}_{job.number}",
                "num": job.number,
                "override_dirname": ",".join(sorted(job.draft.overrides)),
            },
        }
        stricken: dict[str, Any] = json.loads(without_password(json.dumps(section)))
        return stricken
