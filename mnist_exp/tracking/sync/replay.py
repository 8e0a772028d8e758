"""Sends a journal to MLflow, each event once, however often it is cut off and begun again.

`journal.sent` remembers how far MLflow has confirmed it. That file is only a cache: when it is
gone, or MLflow's run is, MLflow is asked what it has.
"""

import contextlib
import json
import math
from bisect import bisect_right
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from mnist_exp.core.errors import ExperimentError
from mnist_exp.core.files import whole
from mnist_exp.core.locks import Lock
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import staging
from mnist_exp.tracking.journal.events import (
    Artifact,
    Dataset,
    Description,
    End,
    Event,
    Metrics,
    Model,
    Moved,
    Resumed,
    Start,
    Tags,
)
from mnist_exp.tracking.journal.state import fold, salvaged
from mnist_exp.tracking.mlflow.attempt import first_line
from mnist_exp.tracking.mlflow.store import Point, Store, as_stored
from mnist_exp.tracking.names import DONE, OUTCOME_TAG
from mnist_exp.tracking.sync import readback
from mnist_exp.tracking.sync.restage import restage

# What MLflow answers to a request that will never be right; everything else may pass.
_FINAL_ANSWERS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}
_EVENTS_A_BATCH = 100


def run_id_of(job_dir: Path) -> str | None:
    """Returns the MLflow run id of a job folder, if it was ever known."""
    return _read_sent(job_dir)[1]


class Replay:
    """The sending of one journal; whoever has it holds the journal's sending lock."""

    def __init__(self, job_dir: Path, uri: str, lock: Lock) -> None:
        """Prepares to send; use `of`."""
        self.job_dir = job_dir
        self.run_id: str | None = run_id_of(job_dir)
        # End of an entry -> why MLflow will never take it, or why nothing is there to be sent.
        self._refused: dict[int, str] = {}
        self._gone: dict[int, str] = {}
        self.steps = 0  # grows with every confirmed batch
        self._lock = lock
        self._entries: list[journal.Entry] = []
        self._offset = 0
        self._damage = ""  # of the journal, in words
        self._state = salvaged(job_dir)  # as far as it has been read
        self._start = self._state.start
        self._store = Store(uri, self._start.experiment)
        self._attached = False
        self._is_new = False  # so that MLflow need not be asked what it has
        self._asked: set[str] = set()  # metrics of which it was asked
        self._recorded: dict[tuple[str, int], float] = {}  # (metric, step) -> value

    @classmethod
    def of(cls, job_dir: Path, uri: str, *, wait_seconds: float = 0.0) -> "Replay | None":
        """Takes over the sending of a journal; None while another process does it.

        Args:
            job_dir: The job folder.
            uri: Of the store, as `location.resolve` returns it.
            wait_seconds: How long to wait for that process.
        """
        lock = journal.hold_sending(job_dir, wait_seconds=wait_seconds)
        if lock is None:
            return None
        try:
            return cls(job_dir, uri, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def refused(self) -> list[str]:
        """What MLflow does not have and will not get, and why."""
        return [*filter(None, [self._damage]), *self.gone, *self._refused.values()]

    @property
    def gone(self) -> list[str]:
        """Of that, the files that were to be sent and are no more, or are others."""
        return [*self._gone.values()]

    def close(self) -> None:
        """Lets another process send."""
        self._lock.release()

    def advance(self) -> bool:
        """Sends what the journal holds and MLflow lacks.

        Returns:
            True when MLflow has everything and the run has ended.

        Raises:
            Exception: Whatever MLflow raises while it is out of reach. Nothing is lost; the next
                call goes on where this one stopped.
        """
        try:
            return self._advance()
        except readback.LostError:  # once more, from the beginning
            return self._advance()

    def _advance(self) -> bool:
        try:
            self._read()
            self._attach()
            first = bisect_right(self._entries, self._offset, key=attrgetter("end"))
            # MLflow need not hear where it was.
            fresh = [e for e in self._entries[first:] if not isinstance(e.event, Moved)]
            for same, group in groupby(enumerate(fresh), _batch_key):
                self._send_batch([entry for _, entry in group], metrics=same[0])
        except Exception:
            self._attached = False  # what the failed call did is for MLflow to say
            raise
        if self._state.outcome is None:
            return False
        self._require_kept()
        if self._state.outcome in DONE:
            self._clean()
        return True

    def _require_kept(self) -> None:
        """Reads back what was sent; where the store lost some, the next call sends all again."""
        not_taken = self._refused.keys() | self._gone.keys()
        taken = [entry.event for entry in self._entries if entry.end not in not_taken]
        try:
            readback.require_kept(self._store, self._start.job_id, taken)
        except readback.LostError:
            self._attached = False
            (self.job_dir / journal.SENT_NAME).unlink(missing_ok=True)
            raise

    def _read(self) -> None:
        """Reads on; what is damaged cannot be sent."""
        found = journal.contents(self.job_dir, after=self._entries[-1] if self._entries else None)
        if not self._entries:  # what was read at the beginning, and maybe more
            self._state = fold(entry.event for entry in found.entries) or self._state
        else:
            for entry in found.entries:
                self._state.add(entry.event)
        self._entries += found.entries
        if found.damage:
            self._damage = f"of its journal, {'; '.join(found.damage)}"

    def _attach(self) -> None:
        """Finds the run by its job id, and forgets `journal.sent` where MLflow knows less."""
        if self._attached:
            return
        run = self._store.find_run(self._start.job_id)
        offset, run_id = _read_sent(self.job_dir)
        self._offset = offset if run is not None and run.run_id == run_id else 0
        known = run_id or self.run_id
        if run is None and known is not None:
            restage(self.job_dir, self._events(), self._store.uri, known)
        self.run_id = None if run is None else run.run_id
        if run is not None and run.deleted:
            raise readback.deleted(run)
        self._is_new = run is None
        self._asked, self._recorded = set(), {}
        for entry in self._entries:
            if entry.end <= self._offset and isinstance(entry.event, Metrics):
                self._recorded |= {(p.key, p.step): p.value for p in _points(entry.event)}
        self._attached = True

    def _send_batch(self, entries: list[journal.Entry], *, metrics: bool) -> None:
        try:
            if metrics:
                self._send_metrics([e.event for e in entries if isinstance(e.event, Metrics)])
            else:
                for entry in entries:
                    self._send(entry)
        except Exception as problem:
            if getattr(problem, "error_code", None) not in _FINAL_ANSWERS or self.run_id is None:
                raise
            run = self._store.find_run(self._start.job_id)
            if run is None or run.deleted:
                raise
            # One event that MLflow will never take must not keep the others from it.
            if len(entries) > 1:
                for entry in entries:
                    self._send_batch([entry], metrics=metrics)
                return
            self._refused[entries[-1].end] = first_line(problem)
        self._confirm(entries[-1].end)

    def _send(self, entry: journal.Entry) -> None:
        event = entry.event
        if isinstance(event, Start):
            self._send_start(event)
            return
        run_id = self._known_run()
        match event:
            case Tags():
                self._store.set_tags(run_id, event.values)
            case Description():
                self._store.describe(run_id, event.markdown)
            case Dataset():
                self._store.log_dataset(run_id, event)
            case Artifact():
                self._send_artifact(run_id, event, entry.end)
            case Model():
                self._send_model(run_id, event, entry.end)
            case End():
                self._send_end(run_id, event)
            case Resumed():
                self._store.reopen_run(run_id)
            case Start() | Metrics() | Moved():
                raise AssertionError(event)

    def _send_start(self, start: Start) -> None:
        if self.run_id is None:
            self.run_id = self._store.create_run(start)
        self._store.set_tags(self.run_id, start.tags)
        self._store.describe(self.run_id, start.description)
        self._store.log_params(self.run_id, start.params)

    def _send_metrics(self, events: list[Metrics]) -> None:
        """Sends the points that MLflow lacks; a resumed run repeats epochs that it has."""
        run_id = self._known_run()
        unasked = {key for event in events for key in event.values} - self._asked
        if unasked and not self._is_new:
            self._recorded |= self._store.recorded(run_id, unasked)
            self._asked |= unasked
        missing = {
            (point.key, point.step): point
            for event in events
            for point in _points(event)
            if not self._has(point, final=event.step is None and self._is_last(event, point.key))
        }
        self._store.log_metrics(run_id, list(missing.values()))
        self._recorded |= {place: point.value for place, point in missing.items()}

    def _has(self, point: Point, *, final: bool) -> bool:
        """Tells whether MLflow has a point; a final one that was measured anew is another."""
        known = self._recorded.get((point.key, point.step))
        return known is not None and not (final and _differs(known, point.value))

    def _is_last(self, event: Metrics, key: str) -> bool:
        """Tells whether no later event has a final value of a metric."""
        finals = (e for e in reversed(self._events()) if isinstance(e, Metrics) and e.step is None)
        return next(e for e in finals if key in e.values) is event

    def _send_artifact(self, run_id: str, event: Artifact, end: int) -> None:
        file = self.job_dir / staging.FOLDER / event.path
        if not file.is_file():
            if not readback.has_file(self._store, run_id, event):
                self._gone[end] = f"{event.path} is gone"
        elif not staging.is_own(self.job_dir, event.path):
            self._gone[end] = f"{event.path} is a link"
        elif staging.digest_of(file) == event.sha256:
            self._store.log_artifact(run_id, file, event.path)
        elif self._state.outcome is not None and not self._written_again(event):
            # Until the end a file may be written again any moment.
            self._gone[end] = f"{event.path} was altered"

    def _written_again(self, event: Artifact) -> bool:
        """Says whether a resumed run replaced the file; its own event will send it."""
        events = self._events()
        later = events[len(events) - events[::-1].index(event) :]
        return any(isinstance(e, Artifact) and e.path == event.path for e in later)

    def _send_model(self, run_id: str, event: Model, end: int) -> None:
        from mnist_exp.tracking.mlflow.logged_model import send_model

        folder = self.job_dir / staging.FOLDER / event.path
        if not folder.is_dir():
            if not readback.has_model(self._store, run_id):
                self._gone[end] = f"{event.path} is gone"
        elif not staging.is_own(self.job_dir, event.path):
            self._gone[end] = f"{event.path} is a link, or holds one"
        else:
            send_model(self._store, run_id, folder, event)

    def _send_end(self, run_id: str, event: End) -> None:
        parent = self._store.parent_run_id(self._start)
        tags: dict[str, str] = {OUTCOME_TAG: event.outcome}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        self._store.set_tags(run_id, tags)
        self._link_metrics(run_id)
        self._store.end_run(run_id, event.status, event.time)

    def _link_metrics(self, run_id: str) -> None:
        """Shows the final metrics on the model's page too, as MLflow's `log_model` does."""
        events = self._events()
        if not any(isinstance(event, Model) for event in events):
            return
        from mnist_exp.tracking.mlflow.logged_model import model_id

        finals = [e for e in events if isinstance(e, Metrics) and e.step is None]
        points: dict[str, Point] = {}  # as the run has them: the same value again is no other
        for point in (point for event in finals for point in _points(event)):
            if point.key not in points or _differs(points[point.key].value, point.value):
                points[point.key] = point
        model = model_id(self._store, run_id)
        if model is not None:
            self._store.log_metrics(run_id, list(points.values()), model_id=model)

    def _events(self) -> list[Event]:
        return [entry.event for entry in self._entries]

    def _known_run(self) -> str:
        if self.run_id is None:
            raise ExperimentError(f"MLflow has no run for {self.job_dir} yet.")
        return self.run_id

    def _confirm(self, offset: int) -> None:
        self._offset = offset
        self.steps += 1
        file = self.job_dir / journal.SENT_NAME
        # What is damaged may come back from a copy of the file, and has to be sent then.
        confirmed = {"offset": 0 if self._damage else offset, "run_id": self.run_id}
        # A full disk costs the cache only.
        with contextlib.suppress(OSError), whole(file, lasting=False) as part:
            part.write_text(json.dumps(confirmed))

    def _clean(self) -> None:
        """Removes the staged artifacts of a finished run: MLflow holds them now."""
        staging.clear(self.job_dir, parts_alone=bool(self.refused))


def _batch_key(numbered: tuple[int, journal.Entry]) -> tuple[bool, int]:
    """Puts neighbouring metrics into one batch; every other event goes alone."""
    number, entry = numbered
    metrics = isinstance(entry.event, Metrics)
    return metrics, number // _EVENTS_A_BATCH if metrics else number


def _points(event: Metrics) -> list[Point]:
    """Returns the event's values; final ones are one point at MLflow's own default, step 0."""
    step = event.step if event.step is not None else 0
    return [Point(key, value, event.time, step) for key, value in event.values.items()]


def _differs(recorded: float, value: float) -> bool:
    """Tells two values apart, one of which may come from a store."""
    are_none = math.isnan(recorded) and math.isnan(value)
    return not are_none and as_stored(recorded) != as_stored(value)


def _read_sent(job_dir: Path) -> tuple[int, str | None]:
    try:
        sent = json.loads((job_dir / journal.SENT_NAME).read_text())
        run_id = sent["run_id"]
        return int(sent["offset"]), run_id if isinstance(run_id, str) else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 0, None
