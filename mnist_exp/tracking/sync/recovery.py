"""Ends what a crash left open, and sends what an outage left behind.

Every command that reads runs calls `recover`; with nothing pending it is one look at a folder.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from mnist_exp.core import ids
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.files import unfinished
from mnist_exp.core.locks import Lock
from mnist_exp.core.text import few
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events, pending_runs, staging
from mnist_exp.tracking.journal.state import State, salvaged
from mnist_exp.tracking.mlflow.attempt import Attempt, first_line
from mnist_exp.tracking.mlflow.location import of_record, recorded, resolve, sqlite_path
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import DONE, FAILURE_TAG, OUTCOME_TAG
from mnist_exp.tracking.records import RunRecord
from mnist_exp.tracking.sync import readback
from mnist_exp.tracking.sync.replay import Replay

Result = Literal[
    "sent", "incomplete", "damaged", "waiting", "alive", "broken", "gone", "elsewhere", "unsure"
]

# A run that ended a moment ago may still be in its last call to a server that does not answer.
_SENDER_SECONDS = 5.0
# A run whose folder is gone may be at work where somebody moved it.
_SILENT_SECONDS = 600.0
_FRESH = "its folder, or its journal, is gone, and MLflow heard of it in the last minutes"
_ENDED = "MLflow had it as running, and has it as killed now."


class Recovered(NamedTuple):
    """What became of one pending run."""

    job_id: str
    job_dir: Path
    run_id: str | None
    result: Result
    killed: bool  # it was open, and nobody worked on it
    problem: str  # why it waits or cannot be read, or what MLflow did not take
    damage: str = ""  # of its journal, in words
    size: int | None = None  # bytes of its journal when it was read; None without one


def recover(folder: Path, *, to: str | None = None, tell: bool = False) -> list[Recovered]:
    """Completes the runs that were started from a folder and are not known to be in MLflow.

    A run that another process works on is left alone. A store that does not answer is tried once.

    Args:
        folder: Where the runs were started from.
        to: Another store for all of them, from now on; None leaves each its own.
        tell: Whether the caller tells what became of each; else a run without all of its files
            stays among the pending, for `mnist-exp sync` to tell.

    Returns:
        One entry for each pending run.
    """
    settled: set[Result] = {"sent", "gone", "elsewhere"}
    if tell:
        settled.add("incomplete")
    done = []
    unreachable: dict[str, str] = {}
    for marker in pending_runs.pending(folder):
        recovered = _recover_one(marker, folder, to, unreachable)
        if recovered.result in settled and recovered.size is not None:
            pending_runs.settle(folder, marker.job_id, marker.job_dir, recovered.size)
        elif recovered.result in settled:
            pending_runs.remove(folder, marker.job_id)
        done.append(recovered)
    return done


def _recover_one(
    marker: pending_runs.Marker, folder: Path, to: str | None, unreachable: dict[str, str]
) -> Recovered:
    """Completes one run, if its store is not among those that did not answer; see `recover`."""
    job_dir = marker.job_dir
    answer = Recovered(marker.job_id, job_dir, None, "gone", killed=False, problem="")
    try:
        if not job_dir.is_dir() or not journal.is_begun(job_dir):
            return _lost(answer) if marker.is_damaged else _without_journal(answer, to, unreachable)
        lock = journal.hold(job_dir)
    except OSError as problem:  # a folder of another user's, or on a disk that is read-only now
        return answer._replace(result="broken", problem=first_line(problem))
    if lock is None:
        return answer._replace(result="alive")
    try:
        staging.clear(job_dir, parts_alone=True)  # nobody writes them any more
        try:
            before = _end(job_dir, lock, None if to is None else recorded(to, job_dir, folder))
            uri = _uri(before, job_dir) if to is None else to
            size = (job_dir / journal.FILE_NAME).stat().st_size
        except RequestError:  # it died before its journal, or that was deleted
            unfinished(job_dir / journal.FILE_NAME).unlink(missing_ok=True)
            return _without_journal(answer, to, unreachable)
        except (ExperimentError, OSError) as problem:
            state, _ = _end_in_store(answer.job_id, unreachable, silent_seconds=0)
            ended = state == "ended"
            words = f"{problem} {_ENDED * ended}".rstrip()
            return answer._replace(result="broken", killed=ended, problem=words)
    finally:
        lock.release()
    damage = "; ".join(before.damage)
    answer = answer._replace(killed=before.outcome is None, damage=damage, size=size)
    sent = _send(answer, before, Store(uri, before.start.experiment), unreachable)
    # What was lost may come back, from a copy of the file or with a resumed run.
    is_sent = sent.result in {"sent", "incomplete"}
    return sent._replace(result="damaged") if sent.damage and is_sent else sent


def _without_journal(answer: Recovered, to: str | None, unreachable: dict[str, str]) -> Recovered:
    """Ends a run of which nothing is left here, so that it does not stay RUNNING in MLflow."""
    state, problem = _end_in_store(answer.job_id, unreachable)
    if problem and to is None:
        return answer._replace(result="waiting", problem=problem)
    if state == "fresh":
        return answer._replace(result="unsure", problem=_FRESH)
    ended = state == "ended"
    return answer._replace(killed=ended, problem=_ENDED * ended)


def _lost(answer: Recovered) -> Recovered:
    """Says that a run lies where only a damaged mark would tell."""
    problem = (
        "the file in outputs/.pending that says where it lies is damaged; move its folder to "
        f"{answer.job_dir}, or remove that file"
    )
    return answer._replace(result="broken", problem=problem)


def _end_in_store(
    job_id: str, unreachable: dict[str, str], *, silent_seconds: float = _SILENT_SECONDS
) -> tuple[Literal["ended", "fresh", ""], str]:
    """Ends a run in the store of the folder where that has it as running.

    Which store it went to stood in its journal.

    Args:
        job_id: of the run.
        unreachable: store -> why it is.
        silent_seconds: without a sign of the run in the store, before it is ended: its folder may
            be at work in another place.

    Returns:
        Whether it did, or it showed signs of life; and what was wrong with the store.
    """
    uri = resolve(None)
    file = sqlite_path(uri)
    if uri in unreachable or (file is not None and not file.exists()):
        return "", unreachable.get(uri, "")
    with Attempt() as attempt:
        store = Store(uri, "")
        run = store.of_job(job_id)
        if run is None or run.status != "RUNNING":
            return "", ""
        if events.now() - store.last_sign(run) < 1000 * silent_seconds:
            return "fresh", ""
        store.set_tags(run.run_id, {OUTCOME_TAG: "killed"})
        store.end_run(run.run_id, "KILLED", max(run.start_time, events.now()))
        return "ended", ""
    assert attempt.problem is not None
    unreachable[uri] = first_line(attempt.problem)
    return "", unreachable[uri]


def _uri(state: State, job_dir: Path) -> str:
    try:
        return of_record(state.start.uri, job_dir)
    except RequestError as problem:  # somebody else wrote that journal
        raise ExperimentError(str(problem)) from problem


def _end(job_dir: Path, lock: Lock, to: str | None) -> State:
    """Ends an open journal as killed, at the time of its last event, and moves it to a store.

    Returns:
        What it said before.

    Raises:
        RequestError: There is no journal.
        ExperimentError: Nothing of it can be used.
        OSError: It cannot be written.
    """
    state = salvaged(job_dir)
    told: list[events.Event] = []
    if state.outcome is None:
        if state.damage:
            reason = f"its journal is damaged: {'; '.join(state.damage)}"
            told.append(events.Tags(state.time, {FAILURE_TAG: reason}))
        told.append(events.End(state.time, "KILLED", "killed"))
    if to is not None and to != state.start.uri:
        told.append(events.Moved(state.time, to))
    if told:
        writer = journal.Journal(job_dir, lock)
        for event in told:
            writer.append(event)
        problem = writer.problem
        writer.close()
        if problem is not None:
            raise problem
    return state


def _send(answer: Recovered, before: State, store: Store, unreachable: dict[str, str]) -> Recovered:
    if store.uri in unreachable:
        return answer._replace(result="waiting", problem=unreachable[store.uri])
    run = readback.deleted_run(store, answer.job_id)  # so until somebody restores it
    if run is not None:
        return answer._replace(result="waiting", problem=str(readback.deleted(run)))
    replay = Replay.of(answer.job_dir, store.uri, wait_seconds=_SENDER_SECONDS)
    if replay is None:
        return answer._replace(result="alive")
    complete = went_on = False
    with Attempt() as attempt:
        if before.outcome not in DONE and not answer.damage:
            run = readback.read_anew(store, answer.job_id)
            went_on = run is not None and run.outcome != "killed" and _went_on(run, before)
        complete = not went_on and replay.advance()
    replay.close()
    if attempt.problem is not None:
        problem = first_line(attempt.problem)
        if not _is_its_own(attempt.problem):
            unreachable[store.uri] = problem
        return answer._replace(result="waiting", problem=problem)
    if went_on:
        return answer._replace(result="elsewhere", killed=False)
    return answer._replace(
        run_id=replay.run_id,
        result="alive" if not complete else "incomplete" if replay.gone else "sent",
        problem=few(replay.refused, "; "),
    )


def _is_its_own(problem: Exception) -> bool:
    """Tells trouble of one run, said in our words or by its files, from that of its store."""
    of_files = FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError
    return isinstance(problem, ExperimentError | RequestError | of_files)


def send_again(folder: Path) -> None:
    """Marks the runs that `lost` returns, so that `recover` sends what their journals hold."""
    for marker in lost(folder):
        pending_runs.add(folder, marker.job_id, marker.job_dir)


def send_ended(folder: Path, runs: Iterable[RunRecord]) -> bool:
    """Marks runs that have finished and that a store has as others, as an older copy of it does.

    Args:
        folder: in whose `outputs` the job folders lie, those that do.
        runs: of the store.

    Returns:
        Whether there are any.
    """
    found = False
    for run in runs:
        job_dir = folder / pending_runs.OUTPUTS / (run.job_id or "")
        done = run.outcome in DONE and run.has_ended
        if done or not ids.is_id(run.job_id or "") or not job_dir.is_dir():
            continue
        with contextlib.suppress(ExperimentError, RequestError, OSError):
            state = salvaged(job_dir)
            if state.outcome in DONE and not _went_on(run, state):
                pending_runs.add(folder, job_dir.name, job_dir)
                found = True
    return found


def lost(folder: Path) -> list[pending_runs.Marker]:
    """Returns runs with a journal in a folder's `outputs` that their store has no more.

    It may be another store, or an older copy, in which a run has not ended. What was deleted in
    MLflow and can be restored there is not lost.
    """
    found = []
    waiting = {marker.job_dir for marker in pending_runs.pending(folder)}
    stores: dict[tuple[str, str], Store] = {}
    unreachable: set[str] = set()
    for file in sorted((folder / pending_runs.OUTPUTS).rglob(journal.FILE_NAME)):
        with Attempt():  # what cannot be read, or asked for, is not known to be lost
            state = salvaged(file.parent)
            uri = of_record(state.start.uri, file.parent)
            if state.outcome is None or file.parent in waiting or uri in unreachable:
                continue
            place = uri, state.start.experiment
            if place not in stores:
                stores[place] = Store(*place)
            with Attempt() as asked:
                run = readback.read_anew(stores[place], state.start.job_id)
            if asked.problem is not None:
                if not _is_its_own(asked.problem):
                    unreachable.add(uri)
                continue
            kept = run is not None and run.outcome == state.outcome and run.has_ended
            if run is None or not (run.deleted or kept or _went_on(run, state)):
                found.append(pending_runs.Marker(state.start.job_id, file.parent))
    return found


def _went_on(run: RunRecord, state: State) -> bool:
    """Tells whether a run ended or was opened again after all that its journal here knows.

    Another command did that, in another folder. MLflow keeps the end of a run that is opened again;
    in a copy of a store from before the end there is none.
    """
    end = run.end_time
    return end is not None and (end > state.time or (end == state.time and not run.has_ended))


def waiting(folder: Path) -> int:
    """Returns how many runs of a folder have ended, or are damaged, and are not in MLflow."""
    return sum(map(_has_ended, pending_runs.pending(folder)))


def _has_ended(marker: pending_runs.Marker) -> bool:
    try:
        return salvaged(marker.job_dir).outcome is not None
    except ExperimentError:
        return True  # `mnist-exp sync` says what is wrong with it
    except RequestError:
        return marker.is_damaged
    except OSError:
        return False
