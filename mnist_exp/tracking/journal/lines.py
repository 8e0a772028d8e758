"""A line of a journal: a JSON object that ends with its number and a checksum.

So damage shows, and a line that is missing too; and the file stays one that a person can read.
"""

import re
import zlib

# The checksum, CRC-32 in hexadecimal, is of all before it. It finds every flipped bit.
_LINE = re.compile(rb'(\{.+, "line": ([0-9]+)), "check": "([0-9a-f]{8})"\}')
_TORN = re.compile(rb"[ -~]*")  # what JSON in ASCII is made of
CHECK = b', "check": "'


def seal(record: str, number: int) -> bytes:
    """Returns a line.

    Args:
        record: A JSON object that is not empty.
        number: Of the line, 1 for the first.
    """
    content = f'{record[:-1]}, "line": {number}'.encode()
    return content + CHECK + f'{zlib.crc32(content):08x}"}}\n'.encode()


def unseal(line: bytes) -> tuple[int, bytes] | None:
    """Returns the number of a line and what it says; None where it is not as it was written."""
    found = _LINE.fullmatch(line.removesuffix(b"\n"))
    if found is None or not line.endswith(b"\n"):
        return None
    content, number, check = found.groups()
    if zlib.crc32(content) != int(check, 16):
        return None
    return int(number), content[: content.rindex(b', "line": ')] + b"}"


def end_of(data: bytes) -> int:
    """Returns the bytes of a journal without what a killed writer left of its last line.

    A last line of other bytes, or with others in the place of its newline, was damaged later.
    """
    end = data.rfind(b"\n") + 1
    complete = _LINE.match(data, end)
    longer = complete is not None and complete.end() != len(data)
    return len(data) if longer or not _TORN.fullmatch(data, end) else end
