"""A process forked from the warm interpreter (`warm.py`), used like a `subprocess.Popen`.

The first fork of a test run starts that interpreter; it ends with the test run.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import waiting
from filelock import FileLock

PLACE = "TESTS_WARM_INTERPRETER"  # names the folder where that of a test run listens

# The folder again, for forks, whose environment is a test's.
_folder = os.environ.get(PLACE, "")


@contextlib.contextmanager
def place() -> Iterator[None]:
    """Gives a test run, its workers included, a warm interpreter that ends with it."""
    global _folder  # noqa: PLW0603
    with tempfile.TemporaryDirectory(prefix="warm") as folder:
        os.mkfifo(f"{folder}/alive")
        alive = os.open(f"{folder}/alive", os.O_RDWR)  # its readers see the end when this closes
        os.environ[PLACE] = _folder = folder
        try:
            yield
        finally:
            del os.environ[PLACE]
            os.close(alive)


def has_place() -> bool:
    """Says whether forks can be had here; macOS has no such sockets."""
    return bool(_folder) and hasattr(os, "pidfd_open")


class Fork:
    """A running fork; its standard streams are pipes where `subprocess.PIPE` asks for them."""

    def __init__(
        self,
        code: str | None,
        arguments: Sequence[str],
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        text: bool = False,
        start_new_session: bool = False,
    ) -> None:
        """Starts it.

        Args:
            code: a program; None for the command line of mnist-exp.
            arguments: of the program.
            cwd: the folder to start in.
            env: the whole environment.
            stdin: as `subprocess.Popen` takes it, like the rest.
            stdout: where to.
            stderr: where to.
            text: whether the streams carry text.
            start_new_session: whether it leads a session and a process group of its own.
        """
        environment = dict(os.environ if env is None else env)
        environment.pop(PLACE, None)
        self.args = ["mnist-exp" if code is None else code, *arguments]
        self.returncode: int | None = None
        self._readers: list[_Reader] | None = None
        with contextlib.ExitStack() as theirs:
            inner, self.stdin = _stream(theirs, stdin, 0, text=text)
            outer, self.stdout = _stream(theirs, stdout, 1, text=text)
            if stderr == subprocess.STDOUT:
                errors, self.stderr = outer, None
            else:
                errors, self.stderr = _stream(theirs, stderr, 2, text=text)
            request = {
                "code": code,
                "arguments": list(arguments),
                "folder": str(Path(cwd or ".").absolute()),
                "environment": environment,
                "new_session": start_new_session,
            }
            self._connection = _connect()
            message = json.dumps(request).encode()
            socket.send_fds(self._connection, [message], [inner, outer, errors])
            self.pid = int(self._connection.recv(100))

    def poll(self) -> int | None:
        """Returns its exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it runs still.
        """
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            code = self._connection.recv(100)
            if not code:
                raise AssertionError("the warm interpreter has ended")
            self.returncode = int(code)
            self._connection.close()
        return self.returncode

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """Sends all input, reads all output and waits for the end.

        Raises:
            subprocess.TimeoutExpired: it runs still; it can be asked again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._readers is None:
            self._readers = [_Reader(self.stdout), _Reader(self.stderr)]
            if self.stdin is not None:
                with contextlib.suppress(BrokenPipeError), self.stdin:
                    if input:
                        self.stdin.write(input)
        for reader in self._readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(_left(deadline))
        out, errors = (reader.content for reader in self._readers)
        return out, errors

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        """Waits for its end when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes its streams, and waits."""
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self.wait()


def _run(command: Sequence[str], *, capture_output: bool, check: bool, **options: Any) -> Any:
    assert capture_output
    assert not check
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Fork(command[3], command[4:], **pipes, **options) as process:
        out, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.wait(), out, errors)


# What stands for the module where a program is `[interpreter, option, "-c", code, *arguments]`.
AS_SUBPROCESS = types.SimpleNamespace(
    Popen=lambda command, **options: Fork(command[3], command[4:], **options),
    run=_run,
    PIPE=subprocess.PIPE,
    TimeoutExpired=subprocess.TimeoutExpired,
)


class _Reader(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, stream: IO[Any] | None) -> None:
        super().__init__(daemon=True)
        self.content: Any = None
        self._stream = stream
        self.start()

    def run(self) -> None:
        if self._stream is not None:
            with self._stream:
                self.content = self._stream.read()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0, deadline - time.monotonic())


def _stream(
    theirs: contextlib.ExitStack, wanted: Any, standard: int, *, text: bool
) -> tuple[int, IO[Any] | None]:
    """Returns a descriptor for the fork, and what this side has of a pipe."""
    if wanted is None:
        return standard, None
    if wanted == subprocess.DEVNULL:
        opened = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, opened)
        return opened, None
    if wanted != subprocess.PIPE:
        return (wanted if isinstance(wanted, int) else wanted.fileno()), None
    inner, ours = os.pipe() if standard == 0 else reversed(os.pipe())
    theirs.callback(os.close, inner)
    mode = "w" if standard == 0 else "r"
    return inner, os.fdopen(ours, mode) if text else os.fdopen(ours, f"{mode}b")


def _connect() -> socket.socket:
    """Connects to the warm interpreter, and starts it where it does not run yet."""
    address = f"{_folder}/socket"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with FileLock(f"{_folder}/lock"):
        if not Path(address).exists():
            _warm_up(address)
    connection.connect(address)
    return connection


def _warm_up(address: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("warm.py")), address]
    with Path(_folder, "alive").open() as alive:
        process = subprocess.Popen(command, stdin=alive)
    what = "the warm interpreter does not start"
    waiting.until(Path(address).exists, process=process, what=what)
    process.returncode = 0  # it outlives this worker; nobody waits for it
