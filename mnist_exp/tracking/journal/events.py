"""What a run tells: one frozen dataclass for each kind of event, and its JSON.

Every event may be replayed more than once with the same result, so a repeated one does no harm.
Times are unix milliseconds, as MLflow keeps them.
"""

import json
import math
import time as clock
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Outcome = Literal["finished", "pruned", "failed", "killed"]
Status = Literal["FINISHED", "FAILED", "KILLED"]

STATUS_OF_OUTCOME: dict[Outcome, Status] = {
    "finished": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "killed": "KILLED",
}


@dataclass(frozen=True)
class Start:
    """The first event: everything that makes the run, so that `resume` can rebuild it."""

    time: int
    job_id: str
    run_name: str
    experiment: str
    uri: str  # as `location.recorded` writes it
    params: dict[str, str]
    tags: dict[str, str]
    description: str
    parent_job_id: str | None
    config: dict[str, Any]
    overrides: list[str] = field(default_factory=list)  # what was typed, without passwords


@dataclass(frozen=True)
class Metrics:
    """Values of one epoch, or final ones when `step` is None; they may be NaN or infinite."""

    time: int
    values: dict[str, float]
    step: int | None


@dataclass(frozen=True)
class Tags:
    """Tags to set; a later value replaces an earlier one."""

    time: int
    values: dict[str, str]


@dataclass(frozen=True)
class Description:
    """The Markdown text that the MLflow UI shows on top of the run."""

    time: int
    markdown: str


@dataclass(frozen=True)
class Dataset:
    """The data that the run reads; `sizes` counts the images of each split."""

    time: int
    name: str
    digest: str  # hexadecimal, of any length
    source: str  # a path, a URL, or a name
    sizes: dict[str, int]


@dataclass(frozen=True)
class Artifact:
    """A file below the job's `artifacts/`; its path there is its path in MLflow."""

    time: int
    path: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """A folder below the job's `artifacts/` that holds a saved Keras model."""

    time: int
    path: str  # which is the model's name, too
    requirements: list[str]  # what pip needs to load it; explicit ones save a search of seconds
    keras_version: str
    keras_backend: str


@dataclass(frozen=True)
class End:
    """The run is over."""

    time: int
    status: Status
    outcome: Outcome


@dataclass(frozen=True)
class Resumed:
    """The run goes on after it was cut off."""

    time: int


@dataclass(frozen=True)
class Moved:
    """The run goes to another store than the one that it began with."""

    time: int
    uri: str  # as `location.recorded` writes it


Event = Start | Metrics | Tags | Description | Dataset | Artifact | Model | End | Resumed | Moved

KINDS: dict[str, type[Event]] = {
    "start": Start,
    "metrics": Metrics,
    "tags": Tags,
    "description": Description,
    "dataset": Dataset,
    "artifact": Artifact,
    "model": Model,
    "end": End,
    "resumed": Resumed,
    "moved": Moved,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def now() -> int:
    """Returns the time in unix milliseconds."""
    return clock.time_ns() // 1_000_000


def is_inside(path: str) -> bool:
    """Whether a path, with slashes, names a place below the folder that it is relative to."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")


def encode(event: Event) -> str:
    """Returns the event as strict JSON; a number that JSON lacks becomes its name."""
    fields = asdict(event)
    if isinstance(event, Metrics):
        fields["values"] = {
            key: value if math.isfinite(value) else str(value)
            for key, value in event.values.items()
        }
    return json.dumps({"event": _NAMES[type(event)], **fields}, allow_nan=False)


def decode(record: str | bytes) -> Event:
    """Returns the event that `encode` wrote.

    Raises:
        ValueError: It is none.
    """
    try:
        fields = json.loads(record)
        name = fields.pop("event")
        known = fields.keys() & KINDS[name].__dataclass_fields__.keys()  # other versions have more
        event: Event = _form(name).validate_python({key: fields[key] for key in known})
    except (KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise ValueError(f"no event: {problem!r}") from problem
    if isinstance(event, Artifact | Model) and not is_inside(event.path):
        raise ValueError(f"an artifact at {event.path!r}")
    return event


@cache
def _form(name: str) -> "TypeAdapter[Event]":
    from pydantic import TypeAdapter  # a tenth of a second, which only journals need

    return TypeAdapter(KINDS[name])
