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
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

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
from invoke import mnist_exp, start
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
_LATE = 0.9  # of the lines of the journals: half of the harm is done after so many
_COMMANDS = 4  # that a user gives before something must be done
_SMALL_DISK_BYTES = 24 * 2**20
_LIMIT_SECONDS = 240.0


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
    findings: list[str] = field(default_factory=list)
    said: str = ""
    lost: bool = False  # whether a command said that the store has lost runs it had


def main() -> None:
    """Parses the command line, goes through the rounds, prints the table."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choices (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at once (%(default)s)")
    parser.add_argument("--kind", action="append", help="only this one; may be given again")
    parser.add_argument("--keep", metavar="FOLDER", help="where rounds with findings are kept")
    options = parser.parse_args()
    known = {**fault_kinds.LOCAL, **fault_kinds.PARALLEL, **fault_kinds.SERVER}
    kinds = options.kind or list(known)
    if unknown := set(kinds) - set(known):
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="faults") as folder, place():
        kept = Path(options.keep).absolute() if options.keep else None
        faults = Faults(Path(folder), options.seed, options.jobs, kept=kept)
        with contextlib.closing(faults):
            outcomes = faults.rounds([kinds[n % len(kinds)] for n in range(options.rounds)])
    show(outcomes)
    sys.exit(any(outcome.findings for outcome in outcomes))


class Faults:
    """Rounds, some at a time, each in a folder of its own."""

    def __init__(self, folder: Path, seed: int, jobs: int, *, kept: Path | None) -> None:
        """Runs each command undisturbed, and starts a server for each job."""
        self._folder, self._seed, self._jobs, self._kept = folder, seed, jobs, kept
        self._baselines = {name: self._baseline(name) for name in WORKS}
        self._servers: SimpleQueue[tuple[MlflowServer, Proxy]] = SimpleQueue()
        self._all: list[MlflowServer] = []
        for number in range(jobs):
            place_of_server = folder / f"server-{number}"
            place_of_server.mkdir()
            server = MlflowServer(f"sqlite:///{place_of_server}/server.db", place_of_server)
            server.up()
            self._all.append(server)
            self._servers.put((server, Proxy(server.port)))

    def close(self) -> None:
        """Ends the servers."""
        for server in self._all:
            server.down()

    def rounds(self, kinds: list[str]) -> list[Outcome]:
        """Goes through rounds of these kinds, in a random order."""
        random.Random(self._seed).shuffle(kinds)
        outcomes = []
        with ThreadPoolExecutor(self._jobs) as pool:
            for outcome in pool.map(self._round, range(len(kinds)), kinds):
                outcomes.append(outcome)
                wrong = "".join(f"\n  {text}" for text in outcome.findings)
                progress(f"{len(outcomes)}/{len(kinds)} {outcome.kind}, {outcome.work}{wrong}")
        return outcomes

    def _baseline(self, work: str) -> Baseline:
        folder = self._folder / f"baseline {work}"
        folder.mkdir()
        mnist_exp(folder, *WORKS[work], env=_environment(folder, work), check=True)
        found = fault_checks.results(folder / "mlflow.db", "mnist")
        return Baseline({r.identity: r for r in found if not r.is_sweep}, _lines(folder))

    def _round(self, number: int, kind: str) -> Outcome:
        rng = random.Random(f"{self._seed} {number}")
        works = [w for w in WORKS if "parallel" in w or kind not in fault_kinds.PARALLEL]
        work = rng.choice(works)
        outcome = Outcome(kind, work, 0.0)
        began = time.monotonic()
        folder = self._folder / f"round-{number}"
        with contextlib.ExitStack() as stack:
            folder.mkdir()
            if kind == "disk full":
                stack.enter_context(_small_disk(folder))
            server = None
            if kind in fault_kinds.SERVER:
                server = self._servers.get()
                stack.callback(self._servers.put, server)
            try:
                self._disturb(number, kind, work, folder, server, rng, outcome)
            except Exception:  # noqa: BLE001 - what came of it is told
                outcome.findings.append(f"the round failed: {traceback.format_exc()}")
        if self._kept and outcome.findings:
            shutil.copytree(folder, self._kept / folder.name, dirs_exist_ok=True)
            (self._kept / folder.name / "said.txt").write_text(outcome.said)
        shutil.rmtree(folder, ignore_errors=True)
        outcome.seconds = time.monotonic() - began
        return outcome

    def _disturb(
        self,
        number: int,
        kind: str,
        work: str,
        folder: Path,
        server: tuple[MlflowServer, Proxy] | None,
        rng: random.Random,
        outcome: Outcome,
    ) -> None:
        project, baseline = folder / "project", self._baselines[work]
        project.mkdir()
        environment = _environment(folder, str(number))
        experiment = "mnist"
        if server is not None:
            experiment = environment["MLFLOW_EXPERIMENT_NAME"] = f"round-{number}"
            environment["MLFLOW_TRACKING_URI"] = server[1].uri
        moment = rng.random() if rng.random() < 0.5 else rng.uniform(_LATE, 1)
        with start(project, *WORKS[work], env=environment) as process:
            r = Round(str(number), project, experiment, process, rng, *(server or ()))
            wanted = int(moment * baseline.lines)
            until(lambda: _lines(project) >= wanted or process.poll() is not None)
            do = {**fault_kinds.LOCAL, **fault_kinds.PARALLEL, **fault_kinds.SERVER}[kind]
            undo = do(r)
            try:
                outcome.said += self._told(process)
                if process.returncode == 0 and "does not have all" not in outcome.said:
                    self._check_at_once(r, baseline, kind, outcome)
            finally:
                undo()
        for place_of_project in (r.project, *r.copies):
            self._go_on(r, place_of_project, work, environment, outcome)
            self._check(r, place_of_project, baseline, folder, outcome)

    def _told(self, process: subprocess.Popen) -> str:
        try:
            out, errors = process.communicate(timeout=_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"{process.communicate()}\nTraceback: it did not end"
        return f"[{process.returncode}] {errors}{out[-300:]}\n"

    def _check_at_once(self, r: Round, baseline: Baseline, kind: str, outcome: Outcome) -> None:
        """A command that ended well and warned of nothing has its results in the store."""
        if kind in ("project moved", "store locked", "server frozen", "server stopped"):
            return
        found = fault_checks.results(r.database, r.experiment)
        wrong = list(fault_checks.findings(found, baseline.results, _artifacts(r)))
        outcome.findings += [f"said to be done: {text}" for text in wrong]

    def _go_on(
        self, r: Round, project: Path, work: str, environment: dict[str, str], outcome: Outcome
    ) -> None:
        """Gives the commands that a user gives who wants the results."""
        for _ in range(_COMMANDS):
            commands = [WORKS[work]] if "sweep" in work else _resumes(project, WORKS[work])
            if not commands:
                break
            for command in commands:
                done = mnist_exp(project, *command, env=environment, timeout=_LIMIT_SECONDS)
                outcome.said += f"{command} [{done.returncode}] {done.stderr}\n"
            if "sweep" in work and done.returncode == 0:
                break
        for command in (("sync",), ("runs",)):
            done = mnist_exp(project, *command, env=environment, timeout=_LIMIT_SECONDS)
            outcome.said += f"{command} [{done.returncode}] {done.stdout}{done.stderr}\n"
            # A sweep has run again what its store lost.
            if "The store has lost" in done.stdout and "sweep" not in work:
                outcome.lost = True
                again = mnist_exp(project, "sync", "--again", env=environment)
                outcome.said += f"sync --again [{again.returncode}] {again.stdout}\n"

    def _check(
        self, r: Round, project: Path, baseline: Baseline, folder: Path, outcome: Outcome
    ) -> None:
        database = r.database if r.server is not None else project / "mlflow.db"
        found = fault_checks.results(database, r.experiment)
        artifacts = _artifacts(r) if r.server is not None else project / "mlruns"
        wrong = [
            # What was in the store once and was deleted there has its journal, and no files.
            *fault_checks.findings(found, baseline.results, None if outcome.lost else artifacts),
            *fault_checks.left_over(project, folder / "home", r.number),
            *fault_checks.false_words(outcome.said),
        ]
        if not (r.expects_damage and "is damaged" in outcome.said):
            outcome.findings += wrong


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
