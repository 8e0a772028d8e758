"""The identity of a run before MLflow knows it, which is also the name of its job folder."""

import base64
import os
import re
from datetime import datetime

_PATTERN = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[a-z2-7]{6}")


def new() -> str:
    """Returns a new one: date, time, and six random base32 characters."""
    random = base64.b32encode(os.urandom(5)).decode().lower()[:6]
    return f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}_{random}"


def is_id(text: str) -> bool:
    """Tells whether a text, of a record that anybody may have written, is such an identity."""
    return bool(_PATTERN.fullmatch(text))


def of(folder_name: str) -> str:
    """Returns the identity of a run in a folder: its name, or a new one where a user chose it.

    A chosen name is no identity, for it may be used again.
    """
    return folder_name if is_id(folder_name) else new()


def suffix(job_id: str) -> str:
    """Returns the random part."""
    return job_id.rpartition("_")[2]
