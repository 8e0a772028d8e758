"""Ctrl-C and its like, kept waiting while something must not be cut in two, and never lost."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from mnist_exp.core.errors import HungUp, Terminated

# The last is what says that the time of a batch job is up.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
# What a command raises at them.
RAISED: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
}
_AGAIN_SECONDS = 0.02
_stopped_by: type[BaseException] | None = None


def raise_swallowed() -> None:
    """Raises the stop that a library has swallowed, if one has, and gone on without an error."""
    if _stopped_by is not None:
        raise _stopped_by


def is_ignored(number: int) -> bool:
    """Tells whether whoever started the process keeps a signal from it, as `nohup` and `&` do."""
    return signal.getsignal(number) is signal.SIG_IGN


def insist() -> None:
    """Has a signal come again whose exception was raised where Python swallows all of them.

    That is in a finalizer: it would be printed, and the process would go on.
    """
    others = sys.unraisablehook
    numbers = {kind: number for number, kind in RAISED.items()}

    def again(swallowed: Any) -> None:
        number = numbers.get(swallowed.exc_type)
        if number is None:
            others(swallowed)
            return
        with contextlib.suppress(RuntimeError):  # the interpreter is ending anyway
            threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number)).start()

    sys.unraisablehook = again


def stop(kind: type[BaseException]) -> NoReturn:
    """Raises a stop, from the handler of a signal, so that `unwrapped` knows of it.

    Args:
        kind: KeyboardInterrupt, Terminated or HungUp.
    """
    global _stopped_by  # noqa: PLW0603 - a process is stopped once
    _stopped_by = kind
    raise kind


@contextmanager
def unwrapped(*told: type[Exception]) -> Iterator[None]:
    """Raises a stop as what it is where a library has made an error of it.

    Keras has a bare `except` that goes on without what was cut off, and C code that is cut off
    makes a SystemError of it, whose cause TensorFlow drops.

    Args:
        *told: errors that stay what they are.
    """
    try:
        yield
    except told:
        raise
    except Exception as error:
        behind = error.__cause__ or error.__context__
        if isinstance(error, SystemError) and isinstance(behind, KeyboardInterrupt | Terminated):
            raise behind from None
        if _stopped_by is None:
            raise
        raise _stopped_by from error


@contextmanager
def held(message: str = "") -> Iterator[None]:
    """Lets a block end before the first signal stops the process; the second does at once.

    Args:
        message: what to tell on stderr when the first comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, _: Any) -> None:
        received.append(number)
        if len(received) > 1:
            _put_back(before)
            signal.raise_signal(number)
        elif message:
            sys.stderr.write(f"{message}\n")

    before = {number: signal.signal(number, note) for number in STOPS if not is_ignored(number)}
    try:
        yield
    finally:
        _put_back(before)
    if received:
        signal.raise_signal(received[0])


@contextmanager
def handled(number: int, handler: Any) -> Iterator[None]:
    """Gives a signal another handler for the block; in the main thread, which alone may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.Signals(number): signal.signal(number, handler)}
    try:
        yield
    finally:
        _put_back(before)


def _put_back(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        # None: the handler was not set by Python, and cannot be.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
