"""The command `mnist-exp`, from start to exit code; the verbs are in `commands.parser`."""

import errno
import gc
import os
import select
import shutil
import signal
import sys
import textwrap
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import click

from mnist_exp.commands.parser import cli
from mnist_exp.commands.program import COMPLETION_VARIABLE, PROGRAM
from mnist_exp.core import signals, tensorflow_setup
from mnist_exp.core.errors import ExperimentError, HungUp, RequestError, Terminated, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.core.text import without_password

EXIT_CODES: dict[type[BaseException], int] = {
    RequestError: 2,
    ExperimentError: 1,
    KeyboardInterrupt: 130,
    HungUp: 129,
    Terminated: 143,
}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a disk, a quota, the limit of a file's size
STOPS: dict[type[BaseException], str] = {
    KeyboardInterrupt: "Stopped by Ctrl-C.",
    Terminated: "Stopped by SIGTERM.",
    HungUp: "Stopped: the terminal was closed.",
}
# Python's 700 makes the collector search imports and configs a hundred times for garbage that is
# not there: a seventh of the time of a short command.
COLLECTION_THRESHOLD = 50_000


def main() -> None:
    """Runs the command line and exits."""
    tensorflow_setup.ours = True
    _require_home()
    _require_streams()
    gc.set_threshold(COLLECTION_THRESHOLD)
    # Hydra's, of every file in --config-dir; one that is wanted is told of.
    warnings.filterwarnings("ignore", "Support for .yml files is deprecated", UserWarning)
    for number, kind in signals.RAISED.items():
        if not signals.is_ignored(number):
            signal.signal(number, partial(_stop, kind))
    signals.insist()
    if os.environ.get("MNIST_EXP_DEBUG") != "1":
        sys.excepthook = _report_defect
    code = execute(sys.argv[1:])
    for number in signals.STOPS:  # nothing is left that they must not cut off
        if not signals.is_ignored(number):
            signal.signal(number, signal.SIG_DFL)
    gc.freeze()  # the search for garbage at exit costs a short command a tenth of its time
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:
    """Runs a command line; tells of errors and stops in one paragraph on stderr.

    Args:
        arguments: the verb and what follows.

    Returns:
        The exit code.

    Raises:
        Exception: a defect of mnist-exp.
    """
    try:
        with signals.unwrapped(click.ClickException, RequestError, ExperimentError, OSError):
            return _dispatch(arguments)
    except click.UsageError as error:
        error.show()
        return 2
    except (RequestError, ExperimentError, KeyboardInterrupt, Terminated) as error:
        return _told(error)
    except BrokenPipeError:
        if not _stdout_is_closed():
            raise
        return 141  # as of a program that SIGPIPE ends: whoever read has seen enough
    except OSError as error:
        if error.errno not in FULL:
            raise
        return _told(
            ExperimentError(
                f"Expected room to write. Received: {reason_of(error)}. Make room, or raise the "
                "limit; then give the command again, or `mnist-exp resume RUN` for a run."
            )
        )


def _told(error: BaseException) -> int:
    """Tells of an error that is no defect, or of a stop; returns its exit code."""
    if os.environ.get("MNIST_EXP_DEBUG") == "1":
        traceback.print_exc()
    message = without_password(str(error)) or STOPS[type(error)]
    click.echo(_fitted(message), err=True)
    return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))


def _dispatch(arguments: Sequence[str]) -> int:
    if COMPLETION_VARIABLE in os.environ:
        from mnist_exp.commands.completion import answer

        return answer(cli, os.environ[COMPLETION_VARIABLE])
    try:
        with cli.make_context(PROGRAM, list(arguments)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    finally:
        sys.stdout.flush()
    return 0


def _require_home() -> None:
    """Gives a user without a home folder the one of containers: libraries fail where none is."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"


def _require_streams() -> None:
    """Lets what is said go nowhere where the shell has closed stdout or stderr."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
            setattr(sys, name, stream)


def _stop(kind: type[BaseException], *_: object) -> None:
    signals.stop(kind)


def _report_defect(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    del trace
    say(
        f"This is a defect of mnist-exp: {kind.__name__}: {error}. Run the command again with "
        "MNIST_EXP_DEBUG=1 to see the traceback, and report it.",
        error=True,
    )


def _fitted(message: str) -> str:
    """Breaks the lines of a message between words where a terminal would break them anywhere."""
    if not sys.stderr.isatty():
        return message
    wrap = partial(
        textwrap.fill,
        width=shutil.get_terminal_size().columns,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrap(line) for line in message.splitlines())


def _stdout_is_closed() -> bool:
    """Tells whether nobody reads stdout, and if so keeps Python from complaining when it exits."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    closed = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return closed
