"""The thread that replays a live journal, so that no server can slow or stop the training."""

import threading
import time
from pathlib import Path

from mnist_exp.tracking.mlflow import connection
from mnist_exp.tracking.mlflow.attempt import Attempt, first_line
from mnist_exp.tracking.sync.replay import Replay, run_id_of

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_IDLE_SECONDS = 3600.0
# After the run: so many failures in a row, or one after so long, mean that the store is out of
# reach.
_LAST_FAILURES = 3
_LAST_SECONDS = 20.0
_CLOSING_PAUSE_SECONDS = 0.5
# After so long without progress a server is asked whether it lives, and so long it may think.
_PATIENCE_SECONDS = 0.5
_ANSWER_SECONDS = 1.5


class Sender:
    """Sends a journal in the background, again and again until MLflow has it."""

    def __init__(self, job_dir: Path, uri: str) -> None:
        """Starts the thread.

        Args:
            job_dir: The job folder, with its journal.
            uri: Of the store, as `location.resolve` returns it.
        """
        self._job_dir = job_dir
        self._uri = uri
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._done = threading.Event()
        self._given_up = False
        self._replay: Replay | None = None
        self._failures = 0
        self._failed_at_last = False
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="mlflow-sender", daemon=True)
        self._thread.start()

    @property
    def run_id(self) -> str | None:
        """MLflow's run id, once known."""
        replay = self._replay
        return run_id_of(self._job_dir) if replay is None else replay.run_id

    @property
    def refused(self) -> list[str]:
        """What MLflow will never take, and why."""
        return [] if self._replay is None else self._replay.refused

    def notify(self) -> None:
        """Says that the journal has grown."""
        self._wake.set()

    def close(self, timeout_seconds: float) -> bool:
        """Waits while events arrive at MLflow, and gives up when none do.

        Args:
            timeout_seconds: How long to wait without any progress.

        Returns:
            Whether MLflow has everything.
        """
        self._closing.set()
        self._wake.set()
        steps, since = self._steps(), time.monotonic()
        began, asked = since, False
        # The thread says that it is done before it ends, so it is asked in this order.
        while self._thread.is_alive() and not self._done.wait(0.02):
            if self._steps() != steps:
                steps, since = self._steps(), time.monotonic()
            waited = time.monotonic() - since
            if waited >= _PATIENCE_SECONDS and not asked:
                asked = True
                self._given_up = connection.hangs(self._uri, _ANSWER_SECONDS)
            hopeless = self._failures >= _LAST_FAILURES or waited >= _LAST_SECONDS
            if (self._failed_at_last and hopeless) or waited >= timeout_seconds:
                self._given_up = True
            if self._given_up:
                self._wake.set()  # it lets go of the journal
                break
        sent = self._done.is_set()
        if not sent:
            self.problem = self.problem or f"no answer for {time.monotonic() - began:.0f} s"
        return sent

    def _steps(self) -> int:
        return 0 if self._replay is None else self._replay.steps

    def _run(self) -> None:
        while not self._given_up:
            self._wake.clear()
            closing = self._closing.is_set()
            complete = False
            with Attempt() as attempt:
                complete = self._advance()
            if attempt.problem is None:
                self._failures, self.problem = 0, ""
                if closing and complete:
                    break
            else:
                self.problem = first_line(attempt.problem)
                self._failures += 1
                self._failed_at_last |= closing
            self._pause()
        if self._replay is not None:
            self._replay.close()
        if not self._given_up:
            self._done.set()

    def _advance(self) -> bool:
        if self._replay is None:
            self._replay = Replay.of(self._job_dir, self._uri)
            if self._replay is None:
                raise TimeoutError("another process is sending this run")
        return self._replay.advance()

    def _pause(self) -> None:
        if not self._failures:
            self._wake.wait(_IDLE_SECONDS)
        elif self._closing.is_set():
            time.sleep(_CLOSING_PAUSE_SECONDS)
        else:
            pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
            self._closing.wait(pause)
