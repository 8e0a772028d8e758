"""What must hold after any fault: each result is in the store, whole, once, and the right one.

Results are compared with those of the same commands that nothing disturbed. The store is read from
its file, a server's too, so that nothing of the package stands between.
"""

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mnist_exp.core.text import counted
from mnist_exp.evaluation.names import IMAGES_PER_SECOND
from mnist_exp.tracking.journal.staging import digest_of
from mnist_exp.tracking.names import DIGESTS, ENSEMBLE_TAG, OUTCOME_TAG, SPACE_TAG, WEIGHTS_TAG

_TEMPORARY = (".part", ".tmp")
_FALSE = ("a defect", "Traceback (most recent call last)")

Identity = tuple[str, bool]  # seed, and whether it is a member of an ensemble


class Result(NamedTuple):
    """One run, as its store has it."""

    name: str
    identity: Identity
    is_sweep: bool
    status: str
    outcome: str
    weights: str
    points: Counter[tuple[str, int, float]]  # metric, step, value; none that a clock decides
    artifact_uri: str
    start_time: int
    end_time: int  # the start while it runs


def results(database: Path, experiment: str) -> list[Result]:
    """Returns the runs of an experiment that are not deleted."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as opened:
        if not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return []  # MLflow is making the store
        rows = opened.execute(
            "SELECT run_uuid, runs.name, status, artifact_uri, start_time, end_time "
            "FROM runs JOIN experiments "
            "USING (experiment_id) WHERE experiments.name = ? AND runs.lifecycle_stage = 'active'",
            [experiment],
        ).fetchall()
        return [_result(opened, row) for row in rows]


def _result(opened: sqlite3.Connection, row: tuple[Any, ...]) -> Result:
    run_id, name, status, uri, start_time, end_time = row
    tags = dict(opened.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run_id]))
    params = dict(opened.execute("SELECT key, value FROM params WHERE run_uuid = ?", [run_id]))
    points = opened.execute(
        "SELECT key, step, CASE WHEN is_nan THEN 'nan' ELSE value END FROM metrics "
        "WHERE run_uuid = ? AND key NOT LIKE 'time/%' AND key != ?",
        [run_id, IMAGES_PER_SECOND],
    )
    return Result(
        name=name,
        identity=(params.get("seed", ""), ENSEMBLE_TAG in tags),
        is_sweep=SPACE_TAG in tags,
        status=status,
        outcome=tags.get(OUTCOME_TAG, "none"),
        weights=tags.get(WEIGHTS_TAG, ""),
        points=Counter(points),
        artifact_uri=uri,
        start_time=start_time,
        end_time=start_time if end_time is None else end_time,
    )


def false_statuses(found: list[Result]) -> Iterator[str]:
    """Yields what a store says of runs and cannot be, when all commands have ended."""
    for run in found:
        if run.outcome == "none" or run.status == "RUNNING":
            yield f"{run.name} is said to be running"
        if run.end_time < run.start_time:
            yield f"{run.name} is said to have ended before it began"


def findings(
    found: list[Result],
    expected: Mapping[Identity, Result],
    artifacts: Path | None,
    *,
    damaged: bool = False,
    again: bool = False,
) -> Iterator[str]:
    """Yields what is not as it would be if nothing had happened.

    Args:
        found: the runs of the store.
        expected: those of the same commands, undisturbed.
        artifacts: where a run's artifacts lie, below which its URI's path goes on; None where
            they need not be there.
        damaged: whether the commands said that something was lost.
        again: whether a record came back after its job may have been run again: then the run that
            had finished counts, and so does the other.
    """
    for identity, right in expected.items():
        runs = [r for r in found if not r.is_sweep and r.identity == identity]
        finished = [run for run in runs if run.outcome == "finished"]
        least, most = int(not damaged), 1 + again
        if not least <= len(finished) <= most:
            yield f"seed {identity[0]}: {len(finished)} finished runs in place of one"
            continue
        for run in finished:
            yield from _falsehoods(run, right)
            if not damaged:
                yield from _losses(run, right)
                yield from _damaged(run, artifacts) if artifacts is not None else ()


def _falsehoods(run: Result, right: Result) -> Iterator[str]:
    if run.status != "FINISHED":
        yield f"{run.name} finished, and its status is {run.status}"
    if run.weights != right.weights:
        yield f"{run.name} has other weights than it would have had"
    more = run.points - right.points
    if more:
        number = counted(sum(more.values()), "point")
        yield f"{run.name} has {number} too many, such as {next(iter(more))}"


def _losses(run: Result, right: Result) -> Iterator[str]:
    lost = right.points - run.points
    if lost:
        number = counted(sum(lost.values()), "point")
        yield f"{run.name} lacks {number}, such as {next(iter(lost))}"


def _damaged(run: Result, artifacts: Path) -> Iterator[str]:
    folder = artifacts / re.sub("^.*mlruns/|^mlflow-artifacts:/", "", run.artifact_uri)
    try:
        lines = (folder / DIGESTS).read_text().splitlines()
    except OSError:
        yield f"{run.name} has no {DIGESTS}"
        return
    for line in lines:
        sha256, _, path = line.partition("  ")
        if not (folder / path).is_file() or digest_of(folder / path) != sha256:
            yield f"{run.name} lacks the artifact {path}, or has another"


def marks(project: Path) -> Iterator[str]:
    """Yields the marks of runs that MLflow may lack, which go when it has them."""
    folder = project / "outputs" / ".pending"
    for mark in sorted(folder.iterdir()) if folder.is_dir() else []:
        yield f"the mark {mark.name} is left"


def left_over(project: Path, home: Path) -> Iterator[str]:
    """Yields what a command should have taken with it: temporary files and processes."""
    for file in project.rglob("*"):
        if file.name.endswith(_TEMPORARY) or file.name.startswith(".mlflow.db."):
            yield f"the temporary file {file.relative_to(project)} is left"
    for file in home.rglob("*"):
        if file.is_file() and ".cache" not in file.parts and ".config" not in file.parts:
            yield f"{file.relative_to(home)} was written in the home folder"
    yield from (f"process {line} is left" for line in processes(project))


def processes(project: Path) -> Iterator[str]:
    """Yields the processes that work in a project: id and command."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and (folder / "cwd").readlink().is_relative_to(project):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                yield f"{folder.name} {command.decode(errors='replace')[:60]}"


def false_words(said: str) -> Iterator[str]:
    """Yields what no command may say, whatever happens around it."""
    for words in _FALSE:
        before, found, after = said.partition(words)
        if found:
            yield f"a command said: {before[-200:]}{found}{after[:800]}"
