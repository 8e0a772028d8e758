"""Slurm's own commands, for what submitit does not ask in time or at all.

Submitit asks `sacct`, seldom, which not every cluster answers: that a job died is told minutes late
or never.
"""

import os
import subprocess
from collections.abc import Iterable

_LIMIT_SECONDS = 60.0
_HURRY_SECONDS = 5.0  # in a job that is killed half a minute later
_ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REVOKED", "TIMEOUT",
}  # fmt: skip


def has_ended(state: str | None) -> bool:
    """Tells whether a job has ended; None: Slurm knows it no longer, minutes after its end."""
    return state is None or state in _ENDED


def states() -> dict[str, str] | None:
    """Returns batch job -> its state, of all of this user; None where Slurm does not answer."""
    command = ("squeue", "--noheader", "--array", "--states=all", "--format=%i %T")
    said = _said(*command, f"--user={os.getuid()}")
    return None if said is None else dict(line.split() for line in said.splitlines())


def cancel(jobs: Iterable[str], *options: str) -> None:
    """Cancels batch jobs; some may have ended.

    Args:
        jobs: which.
        *options: of scancel.
    """
    _said("scancel", *options, *jobs)


def is_preempted(job: str) -> bool:
    """Tells whether a batch job has to leave its place to another, and has some time left.

    Args:
        job: its own number, which a job of an array has beside that of the array.
    """
    said = _said("scontrol", "--oneliner", "show", "job", job, seconds=_HURRY_SECONDS) or ""
    return any(
        "JobState=RUNNING" in line and "PreemptTime=2" in line  # a year, or None
        for line in said.splitlines()
        if line.startswith(f"JobId={job} ")  # not another of its array
    )


def _said(*command: str, seconds: float = _LIMIT_SECONDS) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)  # noqa: S603, PLW1510
    except (OSError, subprocess.SubprocessError):
        return None
    return None if done.returncode else done.stdout
