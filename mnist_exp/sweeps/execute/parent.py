"""The parent run of a sweep: what is explored, and what came of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp.config.record import to_record
from mnist_exp.core import ids
from mnist_exp.core.terminal import say
from mnist_exp.evaluation.names import SWEEP_JOBS, TEST_ACCURACY, chosen
from mnist_exp.runs import environment, source_code
from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.sweeps.results.ranking import RankedConfig, ranking, winner
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.events import Outcome
from mnist_exp.tracking.names import COMMANDS_TAG, JOB_ID_TAG, SPACE_TAG, SWEEP_TAG
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.records import RunRecord

if TYPE_CHECKING:
    from mnist_exp.sweeps.plan import Plan


def space_of(run: RunRecord) -> dict[str, Any] | None:
    """Returns what the sweep of a parent run explores; None for a grid."""
    space: dict[str, Any] | None = json.loads(run.tags[SPACE_TAG])
    return space


def difference(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """Returns a line for each thing that sets two spaces apart; grids may differ."""
    if before is None or now is None:
        kinds = ["a grid" if space is None else "a search" for space in (before, now)]
        return [] if before is now else [f"it was {kinds[0]}, and is now {kinds[1]}"]
    from mnist_exp.sweeps.search import space

    lines = space.difference(before, now)
    if not lines and before.get("made_of", now["made_of"]) != now["made_of"]:
        lines.append("changed: the data, or the configs that its values belong to")
    old, new = before["search"], now["search"]
    return lines + [
        f"changed: search.{key}={old.get(key)} is now {new.get(key)}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


class Parent:
    """The record of the parent run, open."""

    def __init__(self, recorder: Recorder, plan: "Plan", command: int) -> None:
        """Use `begin`.

        Args:
            recorder: of the run.
            plan: of the sweep.
            command: how often the sweep's command has been given.
        """
        self.job_id = recorder.started.job_id
        self._recorder = recorder
        self._plan = plan
        self._command = command

    @classmethod
    def begin(cls, ledger: Ledger, plan: "Plan", outputs: Path) -> "Parent":
        """Opens the record, a new one or of the run that MLflow has.

        Args:
            ledger: which has been read.
            plan: of the sweep.
            outputs: where the job folders lie.
        """
        run = ledger.parent
        if run is None:
            return cls(_start(plan, outputs, ids.new(), 1), plan, 1)
        command = int(run.tags.get(COMMANDS_TAG, 0)) + 1
        job_dir = outputs / run.tags[JOB_ID_TAG]
        if (job_dir / journal.FILE_NAME).exists():
            recorder = Recorder.resume(job_dir, finished=True)
            recorder.tags({**plan.choices, COMMANDS_TAG: str(command)})
        else:  # the sweep was begun in another folder or on another machine
            recorder = _start(plan, outputs, run.tags[JOB_ID_TAG], command)
            recorder.reopened()
        return cls(recorder, plan, command)

    def end(self, results: Sequence[JobResult], outcome: Outcome) -> None:
        """Records what came of the sweep, and ends the run.

        Args:
            results: of all jobs that have ended.
            outcome: of the sweep.
        """
        try:
            if results:
                self._report(results)
        finally:
            self._recorder.end(outcome)
            if self._recorder.incomplete:
                say(f"{self._recorder.incomplete} Then give the same command again.", error=True)

    def _report(self, results: Sequence[JobResult]) -> None:
        from mnist_exp import plots

        table = report.markdown(results, self._plan.fixed)
        rows = ranking(results)
        best = winner(rows)
        for path, text in {"results.csv": report.csv(results), "ranking.md": table}.items():
            self._recorder.artifact(path, partial(_write, text))
        counts = Counter(result.outcome for result in results)
        self._recorder.metrics(
            {
                SWEEP_JOBS: len(results),
                "sweep/finished": counts["finished"],
                "sweep/pruned": counts["pruned"],
                "sweep/failed": counts["failed"] + counts["killed"],
                **(_reached(best) if best else {}),
            },
            step=self._command,
        )
        finished = sum(row.outcome == "finished" for row in rows)
        summary = f"{_summary(best, finished)}\n\n" if best else ""
        command = f"`mnist-exp train -m {self._plan.command}`"
        self._recorder.describe(f"{summary}{table}\n\n{command}")
        for name, figure in report.pictures(results).items():
            self._recorder.artifact(f"plots/{name}.png", partial(plots.save, figure))


def _start(plan: "Plan", outputs: Path, identity: str, command: int) -> Recorder:
    job_dir = outputs / identity
    job_dir.mkdir(parents=True, exist_ok=True)
    return Recorder.start(
        job_dir,
        job_id=identity,
        run_name=plan.name,
        uri=plan.config.tracking.uri,
        experiment=plan.config.tracking.experiment,
        config=to_record(plan.config),
        params={},
        tags={
            **plan.choices,
            JOB_ID_TAG: identity,
            SWEEP_TAG: plan.name,
            SPACE_TAG: json.dumps(plan.record),
            COMMANDS_TAG: str(command),
            **environment.code_tags(source_code.code()),
        },
        description=f"`mnist-exp train -m {plan.command}`",
    )


def _reached(best: RankedConfig) -> dict[str, float]:
    """Returns what the best config of a sweep reached, the mean of its seeds, as metrics."""
    measured = {chosen(best.objective.name): best.mean}
    if best.test_accuracy is not None:
        measured[TEST_ACCURACY] = best.test_accuracy
    return measured


def _summary(best: RankedConfig, configs: int) -> str:
    tested = "" if best.test_accuracy is None else f", {best.test_accuracy:.2%} on test images"
    among = f"the best of {configs} configs" if configs > 1 else "the only config"
    return f"**{best.objective.phrase(best.mean)}**{tested}: {among}."


def _write(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
