"""A process beside this one, for work that TensorFlow must not wait for: sending and drawing.

It has an interpreter lock of its own, and its imports use a core that idles while TensorFlow loads.
One process serves every run of its parent, and ends with it, however that ends. Both ends speak in
pickles: requests on its stdin, answers on its stdout.
"""

import atexit
import contextlib
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, ClassVar

from mnist_exp.core import signals

# The parent's own import path, and nothing of the working folder.
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mnist_exp.core import sidecar; sidecar.serve()"
)
# What says how to reach a store; libraries set other variables when they load.
_VARIABLES = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_", "HTTP", "http")
_EXIT_SECONDS = 2.0
_THREADS = 32  # most wait: for a server, or for the end of a run's sending

# Held by whoever imports a large library there: threads doing so at once trip over each other.
importing = threading.Lock()


class GoneError(RuntimeError):
    """The process ended before it answered, or could not be started."""


class Sidecar:
    """The parent's end.

    Where no process can be started, its requests fail as those to one that died: work goes on.
    """

    _running: ClassVar["Sidecar | None"] = None
    _starting = threading.Lock()

    def __init__(self) -> None:
        """Starts the process; use `current`."""
        self._owner = os.getpid()
        self._environment = _environment()
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._gone, self._end_of_it = False, "the process beside the run ended"
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - this interpreter, this code
                [sys.executable, "-P", "-c", _CODE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the run; what it leaves must still be sent
            )
        except OSError as problem:  # too many processes, no memory, no interpreter any more
            self._gone = True
            self._end_of_it = f"the process beside the run cannot start: {problem.strerror}"
            return
        threading.Thread(target=self._listen, name="sidecar-answers", daemon=True).start()
        atexit.register(self._end)

    @classmethod
    def current(cls) -> "Sidecar":
        """Returns the process, started anew where it died or the environment changed."""
        with cls._starting:
            running = cls._running
            if running is None or not running.serves():
                if running is not None:
                    running.retire()
                running = cls._running = cls()
            return running

    def retire(self) -> None:
        """Ends the process where another takes its place and nothing waits for its answers.

        What it was sending, the next one goes on with.
        """
        if self._owner != os.getpid():
            return
        with self._lock:
            if self._waiting or self._gone:
                return
            self._gone = True  # nothing is handed over any more
        atexit.unregister(self._end)
        self._end()

    @property
    def gone(self) -> bool:
        """Whether it died."""
        return self._gone or self._popen.poll() is not None

    def serves(self) -> bool:
        """Says whether it would do now what one that is started now does."""
        ours = self._owner == os.getpid()
        return ours and not self.gone and self._environment == _environment()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Has the process call a function of a module, in a thread of its own.

        Args:
            function: what to call.
            *arguments: what pickle can carry.

        Returns:
            What becomes its answer; or a `RuntimeError`, where it raised one or the process ended.
        """
        future: Future[Any] = Future()
        # A request that a signal cuts off would spoil all that follow.
        with signals.held(), self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
            try:
                if not self._gone:
                    self._send((number, function, arguments))
            except OSError:
                self._gone = True
            if self._gone:
                self._waiting.pop(number, future)
                future.set_exception(GoneError(self._end_of_it))
        return future

    def _send(self, request: tuple[Any, ...]) -> None:
        assert self._popen.stdin is not None
        pickle.dump(request, self._popen.stdin)
        self._popen.stdin.flush()

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        try:
            while True:
                number, answer, problem = pickle.load(self._popen.stdout)  # noqa: S301 - our own
                with self._lock:
                    future = self._waiting.pop(number)
                if problem is None:
                    future.set_result(answer)
                else:
                    future.set_exception(RuntimeError(problem))
        except (EOFError, OSError, pickle.UnpicklingError):
            pass
        finally:
            with self._lock:
                self._gone = True
                left = list(self._waiting.values())
                self._waiting.clear()
            self._popen.stdout.close()
            for future in left:
                future.set_exception(GoneError(self._end_of_it))

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
    """Does what stdin asks for until stdin ends; the process's own end."""
    for number in (signal.SIGTERM, signal.SIGUSR2):  # Slurm sends them to all processes of a job
        signal.signal(number, signal.SIG_IGN)
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    pool, lock = ThreadPoolExecutor(_THREADS), threading.Lock()
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            number, function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
            pool.submit(_answer, answers, lock, number, function, arguments)
    os._exit(0)  # a call that hangs must not hold it up; what is unsent stays in the journals


def _answer(
    answers: BinaryIO,
    lock: threading.Lock,
    number: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    try:
        content = pickle.dumps((number, function(*arguments), None))
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        content = pickle.dumps((number, None, f"{type(error).__name__}: {error}"))
    with lock, contextlib.suppress(OSError):
        answers.write(content)
        answers.flush()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
