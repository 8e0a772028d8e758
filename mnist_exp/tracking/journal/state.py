"""What a journal says of its run: its events, folded into one state."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.events import (
    Artifact,
    End,
    Event,
    Metrics,
    Moved,
    Outcome,
    Resumed,
    Start,
    Tags,
)


@dataclass
class State:
    """A run, as far as its journal goes."""

    start: Start  # with the store that the run goes to now
    time: int  # of the last event, unix milliseconds
    outcome: Outcome | None = None  # None where the run goes on, or was cut off
    told: dict[str, list[str]] = field(default_factory=dict)  # tag -> every value that it had
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)  # epoch -> metrics
    final: dict[str, float] = field(default_factory=dict)  # metrics of no epoch
    artifacts: dict[str, str] = field(default_factory=dict)  # path -> SHA-256
    damage: list[str] = field(default_factory=list)  # what else the journal had, in words

    @property
    def tags(self) -> dict[str, str]:
        """The last value of each tag."""
        return {name: values[-1] for name, values in self.told.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        found: dict[str, float] = {}
        for values in (*self.epochs.values(), self.final):
            found |= values
        return found

    def add(self, event: Event) -> None:
        """Takes the next event."""
        self.time = event.time
        if isinstance(event, Tags):
            self._tell(event.values)
        elif isinstance(event, Metrics):
            known = self.final if event.step is None else self.epochs.setdefault(event.step, {})
            known |= event.values
        elif isinstance(event, Artifact):
            self.artifacts[event.path] = event.sha256
        elif isinstance(event, End):
            self.outcome = event.outcome
        elif isinstance(event, Resumed):
            self.outcome = None
        elif isinstance(event, Moved):
            self.start = replace(self.start, uri=event.uri)
        elif isinstance(event, Start):
            self._tell(event.tags)

    def _tell(self, tags: dict[str, str]) -> None:
        for name, value in tags.items():
            self.told.setdefault(name, []).append(value)


def state_of(job_dir: Path) -> State:
    """Returns what the journal in a job folder says.

    Raises:
        RequestError: There is no journal.
        ExperimentError: It is damaged, or cannot be read.
    """
    state = salvaged(job_dir)
    if state.damage:
        raise journal.damaged(job_dir, state.damage)
    return state


def salvaged(job_dir: Path) -> State:
    """Returns what those lines of a journal say that are whole; `damage` says what others are.

    Raises:
        RequestError: There is no journal.
        ExperimentError: It cannot be read, or its first line is damaged.
    """
    found = journal.contents(job_dir)
    state = fold(entry.event for entry in found.entries)
    if state is None:
        raise (
            journal.damaged(job_dir, found.damage) if found.damage else journal.no_journal(job_dir)
        )
    state.damage = found.damage
    return state


def fold(events: Iterable[Event]) -> State | None:
    """Returns the state that events lead to; None where they do not begin with a start."""
    state: State | None = None
    for event in events:
        if state is None:
            if not isinstance(event, Start):
                return None
            state = State(event, event.time)
        state.add(event)
    return state
