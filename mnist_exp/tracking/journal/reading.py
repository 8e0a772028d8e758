"""What a journal holds: the events of its whole lines, and what else there is, in words."""

import io
from pathlib import Path
from typing import NamedTuple

from mnist_exp.core.errors import ExperimentError, RequestError, reason_of
from mnist_exp.core.files import regular
from mnist_exp.tracking.journal import lines
from mnist_exp.tracking.journal.events import Event, decode

FILE_NAME = "journal.jsonl"


class Entry(NamedTuple):
    """An event, the position in the file right behind it, and the number of its line."""

    event: Event
    end: int
    line: int


class Contents(NamedTuple):
    """What a journal holds."""

    entries: list[Entry]  # of the lines that are as they were written
    damage: list[str]  # what else there was, in words
    end: int  # bytes; behind it is at most the torn last line of a process that was killed
    lines: int  # the number of the last line, whole or not


def contents(job_dir: Path, *, after: Entry | None = None) -> Contents:
    """Returns what the journal in `job_dir` holds; nothing when there is no journal.

    Args:
        job_dir: The job folder.
        after: The last entry that is known already; what comes behind it is read.

    Raises:
        ExperimentError: It has no checksums, or an event that this mnist_exp does not know.
    """
    end, line = (0, 0) if after is None else (after.end, after.line)
    file = job_dir / FILE_NAME
    try:
        with regular(file) as stream:
            stream.seek(end)
            data = stream.read()
    except FileNotFoundError:
        return Contents([], [], end, line)
    if after is None and lines.CHECK not in data:  # a journal begins with its first line
        raise ExperimentError(
            f"Expected a checksum in each line of {file}. Received: none, so nothing tells whether "
            "it is right: an older mnist_exp wrote it, or all of it is damaged. Move the job "
            "folder away, and start the run anew."
        )
    return _scan(file, data[: lines.end_of(data)], end, line)


def _scan(file: Path, data: bytes, end: int, line: int) -> Contents:
    """Tells whole lines from damage; `end` and `line` are those of what stands before `data`."""
    entries, damage, unread = [], [], 0
    for text in io.BytesIO(data):
        end += len(text)
        found = lines.unseal(text)
        if found is None or found[0] <= line:
            unread += 1
            continue
        number, record = found
        if unread or number != line + 1:
            damage.append(_damage(line + 1, number - 1))
        entries.append(Entry(_event(file, number, record), end, number))
        line, unread = number, 0
    if unread:
        damage.append(_damage(line + 1, line + unread))
    return Contents(entries, damage, end, line + unread)


def read(job_dir: Path, *, after: Entry | None = None) -> list[Entry]:
    """Returns the events of a journal that is whole; see `contents`.

    Raises:
        ExperimentError: It is damaged, or cannot be read.
    """
    found = contents(job_dir, after=after)
    if found.damage:
        raise damaged(job_dir, found.damage)
    return found.entries


def damaged(job_dir: Path, damage: list[str]) -> ExperimentError:
    """Returns the error for a journal that is used only as a whole."""
    return ExperimentError(
        f"Expected every line of {job_dir / FILE_NAME} as it was written. Received: "
        f"{'; '.join(damage)}. Restore the file, or move the job folder away."
    )


def _damage(first: int, last: int) -> str:
    if last < first:
        return f"what stands before line {first} is none of its lines"
    if last == first:
        return f"line {first} is damaged or missing"
    return f"lines {first} to {last} are damaged or missing"


def _event(file: Path, number: int, record: bytes) -> Event:
    try:
        return decode(record)
    except ValueError as problem:
        raise ExperimentError(
            f"Expected an event in line {number} of {file}. Received: {reason_of(problem)}. A "
            "newer mnist_exp wrote it; use that one, or move the job folder away."
        ) from problem


def no_journal(job_dir: Path) -> RequestError:
    """Returns the error for a folder that is none of a run."""
    return RequestError(
        f"Expected the folder of a run, with a {FILE_NAME}. Received: {job_dir}. Runs leave their "
        "folders in outputs/."
    )
