"""One round: the harm, the commands that a user gives then, and what they leave."""

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from invoke import Done, Process, mnist_exp, start
from servers import MlflowServer
from waiting import until

from faults import checks, kinds
from faults.proxy import Proxy
from faults.round import Round
from faults.works import ALL, Baseline, environment, project, told
from mnist_exp.core.errors import ExperimentError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.names import ENSEMBLE_TAG, SPACE_TAG

# What a command says whose results are not all in the store.
_WARNINGS = ("does not have all of this run yet", "MLflow does not have")
# In kinds after which a store cannot be looked at yet, or has lost what had arrived by then.
_LATER = ("deleted", "emptied", "frozen", "moved", "stopped", "store")
_LATE = 0.9  # of the lines of the journals: half of the harm is done after so many
_COMMANDS = 4  # that a user gives before something must be done
_LIMIT_SECONDS = 240.0  # thirty times what the longest command takes


@dataclass
class Trial:
    """One round."""

    kind: str
    work: str
    folder: Path
    baseline: Baseline
    rng: random.Random
    server: tuple[MlflowServer, Proxy] | None = None
    met: bool = False  # whether the command was at work when the harm came
    late: bool = False  # and in the last tenth of its journals
    said: str = ""  # by all commands
    lost: bool = False  # whether a command said that the store has lost runs it had
    findings: list[str] = field(default_factory=list)

    def go(self) -> None:
        """Does the harm, gives the commands that a user would give, and looks at the results."""
        made = project(self.folder)
        self.environment = environment(self.folder)
        experiment = "mnist"
        if self.server is not None:
            experiment = self.environment["MLFLOW_EXPERIMENT_NAME"] = self.folder.name
            self.environment["MLFLOW_TRACKING_URI"] = self.server[1].uri
        fresh = self.kind in kinds.FRESH
        with start(made, *ALL[self.work], env=self.environment, fresh=fresh) as process:
            around = process, self.environment, self.rng
            r = Round(made, experiment, *around, *(self.server or ()))
            self._await(r)
            undo = kinds.ALL[self.kind](r)
            try:
                self.said += _told(process)
                if process.returncode == 0 and not any(words in self.said for words in _WARNINGS):
                    self._check_at_once(r)
            finally:
                undo()
        for place in (r.project, *r.copies):
            self._go_on(place)
            if r.restore is not None:
                self.findings += checks.false_statuses(self._results(r, place))
                if r.restore():
                    r.damage, r.came_back = "\0", True
                self._go_on(place)
            self._check(r, place)

    def _await(self, r: Round) -> None:
        """Waits for a moment in the life of the command."""
        mark = kinds.PHASES.get(self.kind, b"\n")
        moment = self.rng.random()
        if self.kind not in kinds.PHASES:
            moment = self.rng.choice([moment, _LATE + (1 - _LATE) * moment])
        wanted = round(moment * self.baseline.told.count(mark))
        until(lambda: told(r.project).count(mark) >= wanted or r.process.poll() is not None)
        self.met = r.process.poll() is None
        lines, all_lines = (text.count(b"\n") for text in (told(r.project), self.baseline.told))
        self.late = self.met and lines >= _LATE * all_lines

    def _check_at_once(self, r: Round) -> None:
        """A command that ended well and warned of nothing has its results in the store."""
        if any(word in self.kind for word in _LATER):
            return
        found = self._results(r, r.project)
        wrong = checks.findings(found, self.baseline.results, _artifacts(r, r.project))
        self.findings += [f"said to be done: {text}" for text in wrong]

    def _go_on(self, project: Path) -> None:
        """Gives the commands that a user gives who wants the results."""
        is_sweep = "sweep" in self.work
        for _ in range(_COMMANDS):
            commands = [ALL[self.work]] if is_sweep else _resumes(project, ALL[self.work])
            codes = [self._command(project, *command).returncode for command in commands]
            if not commands or (is_sweep and codes == [0]):
                break
        synced = self._command(project, "sync")
        # A sweep has run again what its store lost.
        if "The store has lost" in synced.stdout and not is_sweep:
            self.lost = True
            self._command(project, "sync", "--again")
        self._command(project, "runs")

    def _command(self, project: Path, *command: str) -> Done:
        done = mnist_exp(project, *command, env=self.environment, timeout=_LIMIT_SECONDS)
        self.said += f"{command} [{done.returncode}] {done.stdout[-500:]}{done.stderr}\n"
        return done

    def _results(self, r: Round, project: Path) -> list[checks.Result]:
        database = r.database if r.server is not None else project / "mlflow.db"
        return checks.results(database, r.experiment)

    def _check(self, r: Round, project: Path) -> None:
        found = self._results(r, project)
        # What was in the store once and was deleted there has its journal, and no files.
        artifacts = None if self.lost else _artifacts(r, project)
        damaged = r.damage in self.said
        again = r.came_back and "sweep" in self.work
        self.findings += [
            *checks.false_statuses(found),
            *checks.findings(found, self.baseline.results, artifacts, damaged=damaged, again=again),
            *(() if damaged else checks.marks(project)),
            *checks.left_over(project, self.folder / "home"),
            *checks.false_words(self.said),
        ]


def _told(process: Process) -> str:
    """Waits for a command, and returns what it said."""
    try:
        out, errors = process.communicate(timeout=_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"{process.communicate()}\nTraceback: it did not end"
    return f"[{process.returncode}] {errors}{out[-500:]}\n"


def _resumes(project: Path, command: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Returns what continues the runs of a project that are cut off; all of it where none began."""
    folders = [file.parent for file in sorted(project.glob(f"outputs/*/{journal.FILE_NAME}"))]
    if not folders:
        return [command]
    return [("resume", str(each.relative_to(project))) for each in filter(_is_open, folders)]


def _is_open(job_dir: Path) -> bool:
    try:
        state = salvaged(job_dir)
    except ExperimentError:
        return True
    return state.outcome != "finished" and not {SPACE_TAG, ENSEMBLE_TAG} & {*state.start.tags}


def _artifacts(r: Round, project: Path) -> Path:
    return project / "mlruns" if r.server is None else r.server.folder / "artifacts"
