"""Ctrl-C and its like, kept waiting while something must not be cut in two."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The last is what says that the time of a batch job is up.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


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

    before = {number: signal.signal(number, note) for number in STOPS}
    try:
        yield
    finally:
        _put_back(before)
    if received:
        signal.raise_signal(received[0])


def _put_back(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        # None: the handler was not set by Python, and cannot be.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
