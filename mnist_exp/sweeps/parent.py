"""The parent run of a sweep: what is explored, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp import job_id, origin, provenance
from mnist_exp.config import to_record
from mnist_exp.sweeps import report
from mnist_exp.sweeps.ledger import Ledger
from mnist_exp.sweeps.membership import SWEEP_TAG
from mnist_exp.sweeps.results import JobResult
from mnist_exp.tracking import Recorder, RunRecord, journal
from mnist_exp.tracking.events import Outcome
from mnist_exp.tracking.records import JOB_ID_TAG, SPACE_TAG

if TYPE_CHECKING:
    from mnist_exp.sweeps.plan import Plan

__all__ = ["Outcome", "begin", "difference", "end", "space_of"]


def space_of(run: RunRecord) -> dict[str, Any] | None:
    """Returns what the sweep of a parent run explores; None for a grid."""
    space: dict[str, Any] | None = json.loads(run.tags[SPACE_TAG])
    return space


def difference(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """Returns a line for each thing that sets two spaces apart; grids may differ."""
    if before is None or now is None:
        kinds = ["a grid" if space is None else "a search" for space in (before, now)]
        return [] if before is now else [f"it was {kinds[0]}, and is now {kinds[1]}"]
    from mnist_exp.sweeps import space

    return space.difference(before, now)


def begin(ledger: Ledger, plan: "Plan", outputs: Path) -> Recorder:
    """Opens the record of the parent run, new or the one that MLflow has.

    Args:
        ledger: which has been read.
        plan: of the sweep.
        outputs: where the job folders lie.
    """
    run = ledger.parent
    identity = job_id.new() if run is None else run.tags[JOB_ID_TAG]
    job_dir = outputs / identity
    if run is not None and (job_dir / journal.FILE_NAME).exists():
        return Recorder.resume(job_dir, finished=True)
    job_dir.mkdir(parents=True, exist_ok=True)
    recorder = Recorder.start(
        job_dir,
        job_id=identity,
        run_name=plan.name,
        uri=plan.config.tracking.uri,
        experiment=plan.config.tracking.experiment,
        config=to_record(plan.config),
        params={},
        tags={
            JOB_ID_TAG: identity,
            SWEEP_TAG: plan.name,
            SPACE_TAG: json.dumps(plan.record),
            **origin.code_tags(provenance.code()),
        },
        description=f"A sweep, made by\n\n    mnist-exp train -m {plan.command}",
    )
    if run is not None:
        recorder.reopened()
    return recorder


def end(recorder: Recorder, plan: "Plan", results: Sequence[JobResult], outcome: Outcome) -> None:
    """Records what came of the sweep, and ends its parent run.

    Args:
        recorder: of the parent run.
        plan: of the sweep.
        results: of all jobs that have ended.
        outcome: of the sweep.
    """
    try:
        if results:
            _report(recorder, plan, results)
    finally:
        recorder.end(outcome)


def _report(recorder: Recorder, plan: "Plan", results: Sequence[JobResult]) -> None:
    from mnist_exp import plots

    table = report.markdown(results, plan.fixed)
    texts = {"results.csv": report.csv(results), "ranking.md": table}
    for path, text in texts.items():
        recorder.artifact(path, partial(_write, text))
    outcomes = [result.outcome for result in results]
    recorder.metrics(
        {
            "sweep/jobs": len(outcomes),
            "sweep/finished": outcomes.count("finished"),
            "sweep/pruned": outcomes.count("pruned"),
            "sweep/failed": outcomes.count("failed") + outcomes.count("killed"),
        }
    )
    recorder.describe(f"`mnist-exp train -m {plan.command}`\n\n{table}")
    for name, figure in report.pictures(results).items():
        recorder.artifact(f"plots/{name}.png", partial(plots.save, figure))


def _write(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
