"""The process that sends journals to MLflow, so that no import or call of MLflow's slows training.

It has an interpreter lock of its own, and its imports use a core that idles while TensorFlow
loads. One process serves every run of its parent, and ends with it, however that ends. Requests are
lines of JSON on its stdin; it answers on its stdout, and only to a request to close.
"""

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any, TextIO

from mnist_exp.tracking import connection
from mnist_exp.tracking.attempt import Attempt
from mnist_exp.tracking.replay import run_id_of
from mnist_exp.tracking.sender import Sender

# The parent's own import path, and nothing of the working folder.
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mnist_exp.tracking import sending; sending.serve()"
)
_STORE_VARIABLES = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_", "HTTP", "http")
_EXIT_SECONDS = 2.0
_POLL_SECONDS = 0.5


class RemoteSender:
    """The sending of one journal, by the process."""

    def __init__(self, job_dir: Path) -> None:
        """Begins to send.

        Args:
            job_dir: The job folder, with its journal.
        """
        self._job_dir = job_dir.absolute()
        self._process = _Process.current()
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
        self._request({})

    def close(self, timeout_seconds: float) -> bool:
        """Waits while events arrive at MLflow, and gives up when none do.

        Args:
            timeout_seconds: How long to wait without any progress.

        Returns:
            Whether MLflow has everything.
        """
        self._request({"timeout_seconds": timeout_seconds})
        answer = self._process.answer(str(self._job_dir))
        if answer is None:
            self.problem = self.problem or "the process that sends to MLflow ended"
            return False
        self._run_id = answer["run_id"]
        self.problem, self.refused = answer["problem"], answer["refused"]
        return bool(answer["sent"])

    def _request(self, request: dict[str, Any]) -> None:
        line = json.dumps({"job_dir": str(self._job_dir), **request}) + "\n"
        try:
            self._process.send(line)
        except OSError:  # it died; another can go on where it stopped
            self._process = _Process.current()
            with contextlib.suppress(OSError):
                self._process.send(line)


class _Process:
    """The parent's end."""

    _running: "_Process | None" = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._environment = _environment()
        self._popen = subprocess.Popen(  # noqa: S603 - this interpreter, this code
            [sys.executable, "-P", "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run; what it leaves must still be sent
        )
        self._answers: dict[str, queue.Queue[dict[str, Any]]] = defaultdict(queue.Queue)
        threading.Thread(target=self._listen, name="mlflow-answers", daemon=True).start()
        atexit.register(self._end)

    @classmethod
    def current(cls) -> "_Process":
        """Returns the process, started anew where it died or the environment changed."""
        with cls._lock:
            running = cls._running
            if running is None or not running.serves():
                running = cls._running = cls()
            return running

    def serves(self) -> bool:
        alive = self._owner == os.getpid() and self._popen.poll() is None
        return alive and self._environment == _environment()

    def send(self, line: str) -> None:
        assert self._popen.stdin is not None
        with self._lock:
            self._popen.stdin.write(line)
            self._popen.stdin.flush()

    def answer(self, job_dir: str) -> dict[str, Any] | None:
        """Waits for the answer to a request to close; None when the process died."""
        while True:
            dead = self._popen.poll() is not None
            with contextlib.suppress(queue.Empty):
                return self._answers[job_dir].get(timeout=_POLL_SECONDS)
            if dead:
                return None

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            answer = json.loads(line)
            self._answers[answer["job_dir"]].put(answer)

    def _end(self) -> None:
        if self._owner != os.getpid():
            return
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        try:
            self._popen.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def serve() -> None:
    """Sends the journals that stdin names until stdin ends; the process's own end."""
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with Attempt():  # should it fail, each sending will say why
        connection.load()
    senders: dict[str, Sender] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["job_dir"]
        if name not in senders:
            senders[name] = Sender(Path(name))
        if "timeout_seconds" in request:
            closing = senders.pop(name), request["timeout_seconds"], name, answers
            threading.Thread(target=_close, args=closing, daemon=True).start()
        else:
            senders[name].notify()
    os._exit(0)  # whatever is unsent stays in the journals; a call that hangs must not hold it up


def _close(sender: Sender, timeout_seconds: float, job_dir: str, answers: TextIO) -> None:
    sent = sender.close(timeout_seconds)
    answer = {
        "job_dir": job_dir,
        "sent": sent,
        "run_id": sender.run_id,
        "problem": sender.problem,
        "refused": sender.refused,
    }
    answers.write(json.dumps(answer) + "\n")


def _environment() -> dict[str, str]:
    """Returns the variables that say how to reach a store; libraries set others when they load."""
    return {name: value for name, value in os.environ.items() if name.startswith(_STORE_VARIABLES)}
