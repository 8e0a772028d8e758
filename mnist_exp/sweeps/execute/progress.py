"""What a person sees of a sweep while it runs: one live table on a terminal, plain lines elsewhere.

How far a job is stands in its journal, where that is within reach.
"""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mnist_exp.core import terminal
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.evaluation.names import TRAIN_LOSS
from mnist_exp.runs import ensemble
from mnist_exp.runs.console import duration
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.ranking import SEED, key_and_value
from mnist_exp.sweeps.results.result import JobResult
from mnist_exp.sweeps.results.wording import config_text
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.state import State, state_of

_LOOK_SECONDS = 0.5
_SHOWN = 8
_STARTING, _WAITING = "starting", "waiting"


@contextmanager
def recording() -> Iterator[None]:
    """Says on a terminal, as long as it lasts, that results are recorded and pictures drawn."""
    console = terminal.console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status("Recording the results and drawing pictures ..."):
        yield


class Progress:
    """The jobs of a sweep as they run and end."""

    def __init__(
        self,
        *,
        total: int,
        outputs: Path,
        queue: bool,
        elsewhere: Callable[[], Collection[int]] = tuple,
    ) -> None:
        """Watches nothing yet.

        Args:
            total: jobs of the sweep, those of former commands too.
            outputs: where the job folders lie.
            queue: whether a job that was handed over may wait before it begins.
            elsewhere: tells the numbers of the jobs that other commands are at.
        """
        self._total = total
        self._elsewhere = elsewhere
        self._outputs = outputs
        self._queue = queue
        self._console = terminal.console(stderr=True)
        self._results: dict[int, JobResult] = {}
        self._earlier: set[int] = set()
        self._watched: dict[int, PlannedJob] = {}
        self._sizes: dict[int, int] = {}  # of the journals of these before they began
        self._running: dict[int, str] = {}  # how far each job is that was handed over
        self._lock = threading.Lock()  # a job may end while the watching thread looks at it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweep-progress", daemon=True)
        self._live = Live(
            console=self._console, get_renderable=self._view, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._live.stop()

    def say(self, text: str) -> None:
        """Prints a line, above the table where there is one."""
        self._console.print(text, soft_wrap=True)

    def knows(self, results: Iterable[JobResult]) -> None:
        """Counts jobs of former commands."""
        for result in results:
            self._results[result.number] = result
            self._earlier.add(result.number)

    def watch(self, job: PlannedJob) -> None:
        """Follows a job that was handed over."""
        size = self._size(job)  # a job may go on from an earlier one
        with self._lock:
            self._results.pop(job.number, None)
            self._watched[job.number] = job
            self._sizes[job.number] = size
            self._running[job.number] = _WAITING if self._queue else _STARTING

    def note(self, result: JobResult) -> None:
        """Tells of a result that stands."""
        with self._lock:
            others = (n for n in self._results if n != result.number)
            same = [n for n in others if self._results[n].key == result.key != ""]
            self._results[result.number] = result
            job = self._watched.pop(result.number, None)
            if job is not None and result.run_name and not self._size(job):
                self._queue = False  # journals are out of reach: which jobs wait cannot be told
                self._running = dict.fromkeys(self._running, _STARTING)
            self._running[result.number] = "ended"  # its slot is one that works
            where = ""
            if job is None and result.run_name:  # else it could not run anywhere
                where = f" as job {same[0]}, which is the same" if same else " elsewhere"
            line = self._line(result, where)
            self._running.pop(result.number)
        self.say(line)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            with self._lock:
                watched = list(self._watched.values())
            for job in watched:
                self._look(job)

    def _size(self, job: PlannedJob) -> int:
        """Returns the bytes of a job's journal, which grows; 0 where there is none."""
        try:
            return (self._outputs / job.folder / journal.FILE_NAME).stat().st_size
        except FileNotFoundError:
            return 0

    def _look(self, job: PlannedJob) -> None:
        job_dir = self._outputs / job.folder
        if self._size(job) == self._sizes[job.number]:
            return
        try:
            read = state_of(job_dir)
            state = _state(job_dir, read) if read.outcome is None else "ending"
        except (ExperimentError, RequestError):
            return  # the job itself says why its journal cannot be read
        with self._lock:
            if job.number in self._watched:
                self._running[job.number] = state

    def _line(self, result: JobResult, where: str) -> str:
        done = len(self._results)
        what = {
            "finished": _reached(result),
            "pruned": f"pruned after epoch {max(result.epochs, default=0)}",
            "failed": f"failed: {result.reason}",
            "killed": f"killed: {result.reason}",
        }[result.outcome]
        rest = f": {what}, {result.seconds:.1f} s{where}  [{done} of {self._total}{self._left()}]"
        number, config = f"job {result.number}", _config(result.overrides)
        room = self._console.width - cell_len(f"{number} (){terminal.printable(rest)}")
        if self._console.is_terminal and room > 0:  # else it takes several lines anyway
            config = _cut(config, room)
        return f"{number} ({config}){rest}" if config else f"{number}{rest}"

    def _left(self) -> str:
        new = [r for n, r in list(self._results.items()) if n not in self._earlier]
        if not new:
            return ""
        mean = sum(result.seconds for result in new) / len(new)
        left = self._total - len(self._results)
        at_work = len(self._running) - self._waiting + len(self._elsewhere())
        if not at_work:
            return ""  # when those that wait will begin is not known
        seconds = mean * left / min(at_work, max(left, 1))
        return f", {duration(seconds)} left" if seconds >= 1 else ""

    @property
    def _waiting(self) -> int:
        return list(self._running.values()).count(_WAITING)

    def _summary(self) -> str:
        results = list(self._results.values())
        failed = sum(r.outcome in {"failed", "killed"} for r in results)
        waiting = self._waiting
        parts = [
            f"{len(results)} of {self._total} done",
            f"{len(self._running) - waiting} running",
        ]
        if waiting:
            parts.append(f"{waiting} waiting")
        elsewhere = len(self._elsewhere())
        if elsewhere:
            parts.append(f"{elsewhere} elsewhere")
        if failed:
            parts.append(f"{failed} failed")
        finished = [r for r in results if r.outcome == "finished" and not math.isnan(r.value)]
        best = max(finished, key=lambda result: result.value, default=None)
        if best is not None:
            parts.append(f"best {best.objective.text(best.value)} (job {best.number})")
        return "  ".join(parts) + self._left()

    def _view(self) -> Group:
        table = Table(box=None, pad_edge=False, show_header=False)
        for no_wrap in (True, False, True):  # only configs give way where it is narrow
            table.add_column(no_wrap=no_wrap)
        running = sorted(self._running.items(), key=lambda item: item[1] == _WAITING)
        for number, state in running[:_SHOWN]:
            job = self._watched.get(number)
            own = job.draft.assignment.overrides if job is not None else ()
            cut = Text(_config(own), no_wrap=True, overflow="ellipsis")
            table.add_row(f"job {number}", cut, state)
        return Group(Text(self._summary()), table)


def _config(overrides: Sequence[str]) -> str:
    """Returns what sets a job apart, with short keys, on one line."""
    text = config_text(overrides, [key for key, _ in map(key_and_value, overrides)])
    return terminal.printable(text)


def _cut(config: str, room: int) -> str:
    """Returns a config in so many columns, with its seed where there is room for both."""
    if cell_len(config) <= room:
        return config
    own, between, seed = config.partition(f" {SEED}=")
    left = room - cell_len(between + seed) - 1
    if left <= 0:
        return f"{set_cell_size(config, room - 1)}\N{HORIZONTAL ELLIPSIS}"
    return f"{set_cell_size(own, left)}\N{HORIZONTAL ELLIPSIS}{between}{seed}"


def _state(job_dir: Path, read: State) -> str:
    """Returns how far a job is, from its journal, or from that of the member that it is at."""
    member, objective = ensemble.latest(job_dir), Objective.of(read.start.params)
    if member is None:
        return _epoch(read.epochs, objective)
    try:
        own = state_of(member).epochs
    except (ExperimentError, RequestError):  # it has only just begun
        own = {}
    return f"member {int(member.name) + 1}, {_epoch(own, objective)}"


def _epoch(epochs: Mapping[int, Mapping[str, float]], objective: Objective) -> str:
    epoch = max(epochs, default=0)
    if not epoch:
        return _STARTING
    value = epochs[epoch].get(objective.metric)
    reached = "" if value is None else f", {objective.told(value)}"
    return f"epoch {epoch}{reached}"


def _reached(result: JobResult) -> str:
    """Returns what a job that finished reached, in words."""
    value, loss = result.value, result.metrics.get(TRAIN_LOSS, 0.0)
    words = "finished" if math.isnan(value) else result.objective.told(value)
    return words if math.isfinite(loss) else f"{words}, diverged"
