"""Waits for what other processes do, by looking for it; a limit is only for what never comes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

Found = TypeVar("Found")
LIMIT_SECONDS = 240.0
_PAUSE_SECONDS = 0.02


class Ends(Protocol):
    """A process."""

    def poll(self) -> int | None:
        """Returns its exit code, None while it runs."""


def until(look: Callable[[], Found], *, process: Ends | None = None, what: object = "") -> Found:
    """Looks again and again.

    Args:
        look: returns what is waited for, or something false.
        process: what should bring it about; its end is the end of waiting.
        what: words for a failure; what is called for them.

    Returns:
        What was found.

    Raises:
        AssertionError: it does not come.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        ended = process is not None and process.poll() is not None
        found = look()
        if found:
            return found
        if ended or time.monotonic() > deadline:
            raise AssertionError(what() if callable(what) else what)
        time.sleep(_PAUSE_SECONDS)


def for_journal(folder: Path, *texts: str, process: Ends, jobs: str = "*") -> Path:
    """Waits until the journal of one job holds all texts.

    Args:
        folder: the project's.
        *texts: parts of its lines.
        process: the command.
        jobs: a pattern of job folders below outputs/.

    Returns:
        The job's folder.
    """

    def look() -> Path | None:
        for journal in folder.glob(f"outputs/{jobs}/journal.jsonl"):
            content = journal.read_text()
            if all(text in content for text in texts):
                return journal.parent
        return None

    return until(look, process=process, what=(texts, folder))


def for_line(process: Ends, text: str) -> str:
    """Reads the stderr of a process up to a line with a text, which it returns."""
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"no line with {text!r}")
