"""Journals that a test changes: as if the run had told something else, or as damage does."""

import random
from pathlib import Path

from mnist_exp.tracking.journal import FILE_NAME, lines


def retell(job_dir: Path, old: str, new: str) -> None:
    """Replaces a text in all that the journal of a job folder says; its lines stay whole."""
    file = job_dir / FILE_NAME
    told = [lines.unseal(line) for line in file.read_bytes().splitlines(keepends=True)]
    changed = [(record.decode().replace(old, new), number) for number, record in told]
    file.write_bytes(b"".join(lines.seal(record, number) for record, number in changed))


def spoil(job_dir: Path, text: str) -> int:
    """Damages the one line that holds a text, and returns its number."""
    file = job_dir / FILE_NAME
    all_lines = file.read_text().splitlines(keepends=True)
    (number,) = (n for n, line in enumerate(all_lines, start=1) if text in line)
    all_lines[number - 1] = all_lines[number - 1].replace(text, text.swapcase())
    file.write_text("".join(all_lines))
    return number


def damaged(data: bytes, numbers: random.Random) -> bytes:
    """Flips a bit, or takes out a part that does not reach to the end."""
    if numbers.random() < 0.7:
        at = numbers.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << numbers.randrange(8)]) + data[at + 1 :]
    at, end = sorted(numbers.sample(range(len(data)), 2))
    return data[:at] + data[end:]
