"""Journals sent to MLflow by the process beside this one, so that nothing of MLflow's slows it."""

import threading
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core import sidecar
from mnist_exp.core.sidecar import Sidecar
from mnist_exp.tracking.mlflow import connection
from mnist_exp.tracking.mlflow.attempt import Attempt
from mnist_exp.tracking.sync.replay import run_id_of
from mnist_exp.tracking.sync.thread import Sender

# Of the process beside: job folder -> its sender.
_senders: dict[str, Sender] = {}
_lock = threading.Lock()


class RemoteSender:
    """The sending of one journal, by the process."""

    def __init__(self, job_dir: Path, uri: str) -> None:
        """Begins to send.

        Args:
            job_dir: The job folder, with its journal.
            uri: Of the store, as `location.resolve` returns it.
        """
        self._job_dir = job_dir.absolute()
        self._uri = uri
        self._sidecar = Sidecar.current()
        self._run_id: str | None = None
        self.problem = ""
        self.refused: list[str] = []
        self.notify()

    @property
    def run_id(self) -> str | None:
        """MLflow's run id, once known."""
        self._run_id = self._run_id or run_id_of(self._job_dir)
        return self._run_id

    def notify(self) -> None:
        """Says that the journal has grown."""
        self._living().submit(notify, str(self._job_dir), self._uri)

    def close(self, timeout_seconds: float) -> bool:
        """Waits while events arrive at MLflow, and gives up when none do.

        Args:
            timeout_seconds: How long to wait without any progress.

        Returns:
            Whether MLflow has everything.
        """
        try:
            arguments = str(self._job_dir), self._uri, timeout_seconds
            answer = self._living().submit(close, *arguments).result()
        except RuntimeError as error:
            self.problem = str(error)
            return False
        self._run_id, self.problem, self.refused = answer.run_id, answer.problem, answer.refused
        return bool(answer.sent)

    def _living(self) -> Sidecar:
        """Returns the process that began to send; where that died, another goes on."""
        if self._sidecar.gone:
            self._sidecar = Sidecar.current()
        return self._sidecar


class Closed(NamedTuple):
    """What became of a journal's sending."""

    sent: bool
    run_id: str | None
    problem: str
    refused: list[str]


def notify(job_dir: str, uri: str) -> None:
    """In the process beside: sends what the journal has now, and the first time begins to."""
    _sender(job_dir, uri).notify()


def close(job_dir: str, uri: str, timeout_seconds: float) -> Closed:
    """In the process beside: sends the rest; see `RemoteSender.close`."""
    sender = _sender(job_dir, uri)
    sent = sender.close(timeout_seconds)
    connection.gather(uri)
    with _lock:
        del _senders[job_dir]
    return Closed(sent, sender.run_id, sender.problem, sender.refused)


def _sender(job_dir: str, uri: str) -> Sender:
    with sidecar.importing, Attempt():  # should it fail, each sending will say why
        connection.load()
    with _lock:
        if job_dir not in _senders:
            _senders[job_dir] = Sender(Path(job_dir), uri)
        return _senders[job_dir]
