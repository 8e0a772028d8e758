"""Does harm to commands at work and to what is around them, and says whether anything was lost.

Each round starts a command in a folder of its own, waits until its journals have grown to a random
length, does one thing of `fault_kinds` to it, puts the surroundings right again, and gives the
commands that a user would give. Then all of `fault_checks` must hold. The same seed picks the same
kinds and lengths; what meets what in time is chance.
"""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from measuring import progress
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
import fault_checks
import fault_kinds
from fault_checks import MARK, Identity, Result
from fault_kinds import Round
from fault_proxy import Proxy
from forks import place
from invoke import Done, Process, mnist_exp, start
from servers import MlflowServer
from waiting import until

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.names import ENSEMBLE_TAG, SPACE_TAG

_SMALL = ("train", "data=digits", "training=smoke", "model=seed_mlp", "training.epochs=12")
_SWEEP = (*_SMALL, "-m", "seed=0,1,2")
WORKS = {
    "run": (*_SMALL, "seed=3"),
    "sweep": _SWEEP,
    "parallel sweep": (*_SWEEP, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2"),
    "ensemble": (*_SMALL, "ensemble.members=2", "seed=4"),
}
KINDS = {**fault_kinds.LOCAL, **fault_kinds.PARALLEL, **fault_kinds.SERVER}
# What a command says whose results are not all in the store.
_WARNINGS = ("does not have all of this run yet", "MLflow does not have")
# In kinds after which a store cannot be looked at yet, or has lost what had arrived by then.
_LATER = ("deleted", "emptied", "frozen", "moved", "stopped", "store")
_LATE = 0.9  # of the lines of the journals: half of the harm is done after so many
_COMMANDS = 4  # that a user gives before something must be done
_SMALL_DISK_BYTES = 24 * 2**20
_LIMIT_SECONDS = 240.0  # thirty times what the longest command takes


@dataclass
class Baseline:
    """What a command leaves that nothing disturbs."""

    results: Mapping[Identity, Result]
    lines: int  # of all journals


@dataclass
class Outcome:
    """What a round showed."""

    kind: str
    work: str
    seconds: float
    findings: list[str]


def main() -> None:
    """Parses the command line, goes through the rounds, prints the table."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choices (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at once (%(default)s)")
    parser.add_argument("--kind", action="append", help="only this one; may be given again")
    parser.add_argument("--keep", metavar="FOLDER", help="where rounds with findings are kept")
    options = parser.parse_args()
    kinds = options.kind or list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    with tempfile.TemporaryDirectory(prefix="faults") as folder, place():
        kept = Path(options.keep).absolute() if options.keep else None
        faults = Faults(Path(folder), options.seed, options.jobs, kept)
        with contextlib.closing(faults):
            outcomes = faults.rounds([kinds[n % len(kinds)] for n in range(options.rounds)])
    show(outcomes)
    sys.exit(any(outcome.findings for outcome in outcomes))


class Faults:
    """Rounds, some at a time, each in a folder of its own."""

    def __init__(self, folder: Path, seed: int, jobs: int, kept: Path | None) -> None:
        """Does nothing yet.

        Args:
            folder: for all of it.
            seed: of the choices.
            jobs: how many rounds go on at once.
            kept: where the folders of rounds with findings go; None for nowhere.
        """
        self._folder, self._seed, self._jobs, self._kept = folder, seed, jobs, kept
        self._baselines: dict[str, Baseline] = {}
        self._baseline_lock = threading.Lock()
        self._idle: list[tuple[MlflowServer, Proxy]] = []
        self._servers: list[MlflowServer] = []

    def close(self) -> None:
        """Ends the servers."""
        for server in self._servers:
            server.down()

    def rounds(self, kinds: list[str]) -> list[Outcome]:
        """Goes through rounds of these kinds, in a random order."""
        random.Random(self._seed).shuffle(kinds)  # noqa: S311 - no secret
        outcomes = []
        with ThreadPoolExecutor(self._jobs) as pool:
            for outcome in pool.map(self._round, range(len(kinds)), kinds):
                outcomes.append(outcome)
                wrong = "".join(f"\n  {text}" for text in outcome.findings)
                progress(f"{len(outcomes)}/{len(kinds)} {outcome.kind}, {outcome.work}{wrong}")
        return outcomes

    def _baseline(self, work: str) -> Baseline:
        with self._baseline_lock:
            if work not in self._baselines:
                folder = self._folder / f"baseline {work}"
                folder.mkdir()
                mnist_exp(folder, *WORKS[work], env=_environment(folder, work), check=True)
                found = fault_checks.results(folder / "mlflow.db", "mnist")
                right = {run.identity: run for run in found if not run.is_sweep}
                self._baselines[work] = Baseline(right, _lines(folder))
            return self._baselines[work]

    @contextlib.contextmanager
    def _server(self) -> Iterator[tuple[MlflowServer, Proxy]]:
        """Lends a server, of which there are as many as rounds go on at once."""
        if self._idle:
            lent = self._idle.pop()
        else:
            folder = Path(tempfile.mkdtemp(prefix="server", dir=self._folder))
            server = MlflowServer(f"sqlite:///{folder}/server.db", folder)
            server.up()
            self._servers.append(server)
            lent = server, Proxy(server.port)
        try:
            yield lent
        finally:
            self._idle.append(lent)

    def _round(self, number: int, kind: str) -> Outcome:
        rng = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        works = [w for w in WORKS if "parallel" in w or kind not in fault_kinds.PARALLEL]
        work = rng.choice(works)
        began = time.monotonic()
        folder = self._folder / f"round-{number}"
        folder.mkdir()
        trial = Trial(str(number), kind, work, folder, self._baseline(work), rng)
        with contextlib.ExitStack() as stack:
            if kind == "disk full":
                stack.enter_context(_small_disk(folder))
            if kind in fault_kinds.SERVER:
                trial.server = stack.enter_context(self._server())
            try:
                trial.go()
            except Exception:  # noqa: BLE001 - what came of it is told
                trial.findings.append(f"the round failed: {traceback.format_exc()}")
            if self._kept and trial.findings:
                shutil.copytree(folder, self._kept / folder.name, dirs_exist_ok=True)
                (self._kept / folder.name / "said.txt").write_text(trial.said)
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(kind, work, time.monotonic() - began, trial.findings)


@dataclass
class Trial:
    """One round."""

    number: str
    kind: str
    work: str
    folder: Path
    baseline: Baseline
    rng: random.Random
    server: tuple[MlflowServer, Proxy] | None = None
    said: str = ""  # by all commands
    lost: bool = False  # whether a command said that the store has lost runs it had
    findings: list[str] = field(default_factory=list)

    def go(self) -> None:
        """Does the harm, gives the commands that a user would give, and looks at the results."""
        project = self.folder / "project"
        project.mkdir()
        self.environment = _environment(self.folder, self.number)
        experiment = "mnist"
        if self.server is not None:
            experiment = self.environment["MLFLOW_EXPERIMENT_NAME"] = f"round-{self.number}"
            self.environment["MLFLOW_TRACKING_URI"] = self.server[1].uri
        early = self.rng.random()
        moment = self.rng.choice([early, _LATE + (1 - _LATE) * early])
        wanted = int(moment * self.baseline.lines)
        with start(project, *WORKS[self.work], env=self.environment) as process:
            r = Round(self.number, project, experiment, process, self.rng, *(self.server or ()))
            until(lambda: _lines(project) >= wanted or process.poll() is not None)
            undo = KINDS[self.kind](r)
            try:
                self.said += _told(process)
                if process.returncode == 0 and not any(words in self.said for words in _WARNINGS):
                    self._check_at_once(r)
            finally:
                undo()
        for place_of_project in (r.project, *r.copies):
            self._go_on(place_of_project)
            self._check(r, place_of_project)

    def _check_at_once(self, r: Round) -> None:
        """A command that ended well and warned of nothing has its results in the store."""
        if any(word in self.kind for word in _LATER):
            return
        found = fault_checks.results(r.database, r.experiment)
        wrong = fault_checks.findings(found, self.baseline.results, _artifacts(r))
        self.findings += [f"said to be done: {text}" for text in wrong]

    def _go_on(self, project: Path) -> None:
        """Gives the commands that a user gives who wants the results."""
        is_sweep = "sweep" in self.work
        for _ in range(_COMMANDS):
            commands = [WORKS[self.work]] if is_sweep else _resumes(project, WORKS[self.work])
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

    def _check(self, r: Round, project: Path) -> None:
        database = r.database if r.server is not None else project / "mlflow.db"
        found = fault_checks.results(database, r.experiment)
        artifacts = _artifacts(r) if r.server is not None else project / "mlruns"
        wrong = [
            # What was in the store once and was deleted there has its journal, and no files.
            *fault_checks.findings(found, self.baseline.results, None if self.lost else artifacts),
            *fault_checks.left_over(project, self.folder / "home", r.number),
            *fault_checks.false_words(self.said),
        ]
        if r.expects_damage not in self.said:
            self.findings += wrong


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
    commands: list[tuple[str, ...]] = []
    begun = False
    for file in sorted(project.glob(f"outputs/*/{journal.FILE_NAME}")):
        with contextlib.suppress(ExperimentError, RequestError):
            state = state_of(file.parent)
            begun = True
            if state.outcome != "finished" and not {SPACE_TAG, ENSEMBLE_TAG} & {*state.start.tags}:
                commands.append(("resume", str(file.parent.relative_to(project))))
    return commands if begun else [command]


def _artifacts(r: Round) -> Path:
    return r.project / "mlruns" if r.server is None else r.server.folder / "artifacts"


def _lines(project: Path) -> int:
    total = 0
    for folder, _, files in os.walk(project / "outputs"):  # which minds no folder that goes
        if journal.FILE_NAME in files:
            with contextlib.suppress(OSError):
                total += Path(folder, journal.FILE_NAME).read_bytes().count(b"\n")
    return total


def _environment(folder: Path, number: str) -> dict[str, str]:
    """Returns an environment without settings, with a home of its own, and marked."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "XDG_", "HYDRA_"))}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), MARK: number}


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Gives a folder a file system of its own for the block; without root it stays as it is."""
    options = ["-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def show(outcomes: list[Outcome]) -> None:
    """Prints how many rounds each kind had, and what was found."""
    table = Table("kind", box=SIMPLE_HEAD)
    for title in ("rounds", "findings", "seconds a round"):
        table.add_column(title, justify="right")
    rounds = Counter(outcome.kind for outcome in outcomes)
    for kind, count in sorted(rounds.items()):
        same = [outcome for outcome in outcomes if outcome.kind == kind]
        wrong = sum(bool(outcome.findings) for outcome in same)
        seconds = sum(outcome.seconds for outcome in same) / count
        table.add_row(kind, str(count), str(wrong), f"{seconds:.1f}")
    wrong = sum(bool(outcome.findings) for outcome in outcomes)
    table.add_section()
    table.add_row("all", str(len(outcomes)), str(wrong), "")
    Console().print(table)


if __name__ == "__main__":
    main()
