"""Does harm to commands at work and to what is around them, and says whether anything was lost.

Each round starts a command in a folder of its own, waits until its journals have grown to a random
length, does one thing of `kinds` to it, puts the surroundings right again, and gives the
commands that a user would give. Then all of `checks` must hold. The same seed picks the same
kinds and lengths; what meets what in time is chance.
"""

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from forks import place
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from servers import MlflowServer

from faults import works as befallen
from faults.kinds import ALL, PARALLEL, SERVER, faketime
from faults.proxy import Proxy
from faults.trial import Trial
from faults.works import WORKS, Baseline

_SMALL_DISK_BYTES = 24 * 2**20


@dataclass
class Outcome:
    """What a round showed."""

    kind: str
    work: str
    seconds: float
    met: bool  # whether the command was still at work
    late: bool  # and in the last tenth of its journals
    findings: list[str]


def main() -> None:
    """Parses the command line, goes through the rounds, prints the table."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choices (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="rounds at once (%(default)s)")
    parser.add_argument("--kind", action="append", help="only this one; may be given again")
    parser.add_argument("--work", action="append", help="only this one; MNIST run: on real MNIST")
    parser.add_argument("--keep", metavar="FOLDER", help="where rounds with findings are kept")
    options = parser.parse_args()
    kinds = options.kind or list(ALL)
    works = options.work or list(WORKS)
    for given, known in ((kinds, ALL), (works, befallen.ALL)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {', '.join(unknown)}, only {', '.join(known)}")
    if not any("parallel" in work for work in works):
        kinds = [kind for kind in kinds if kind not in PARALLEL]
    if faketime() is None:
        kinds = [kind for kind in kinds if "clock" not in kind]
        _progress("No clock is set back: that takes Debian's libfaketime.")
    with tempfile.TemporaryDirectory(prefix="faults") as folder, place():
        kept = Path(options.keep).absolute() if options.keep else None
        faults = Faults(Path(folder), options.seed, options.jobs, kept, works)
        with contextlib.closing(faults):
            outcomes = faults.rounds([kinds[n % len(kinds)] for n in range(options.rounds)])
    show(outcomes)
    sys.exit(any(outcome.findings for outcome in outcomes))


class Faults:
    """Rounds, some at a time, each in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        jobs: int,
        kept: Path | None = None,
        works: Sequence[str] = tuple(WORKS),
    ) -> None:
        """Does nothing yet.

        Args:
            folder: for all of it.
            seed: of the choices.
            jobs: how many rounds go on at once.
            kept: where the folders of rounds with findings go; None for nowhere.
            works: what they befall.
        """
        self._folder, self._seed, self._jobs, self._kept = folder, seed, jobs, kept
        self._works = works
        self._baselines: dict[str, Baseline] = {}
        self._baseline_lock = threading.Lock()
        self._idle: list[tuple[MlflowServer, Proxy]] = []
        self._servers: list[MlflowServer] = []

    def close(self) -> None:
        """Ends the servers."""
        for server in self._servers:
            server.down()

    def rounds(self, kinds: list[str]) -> list[Outcome]:
        """Goes through rounds of these kinds, in a random order; Ctrl-C begins no further one."""
        random.Random(self._seed).shuffle(kinds)
        outcomes = []
        pool = ThreadPoolExecutor(self._jobs)
        try:
            for outcome in pool.map(self._round, range(len(kinds)), kinds):
                outcomes.append(outcome)
                wrong = "".join(f"\n  {text}" for text in outcome.findings)
                _progress(f"{len(outcomes)}/{len(kinds)} {outcome.kind}, {outcome.work}{wrong}")
        except KeyboardInterrupt:
            _progress("Stopped: the rounds that have begun go to their end, and do not count.")
        finally:
            pool.shutdown(cancel_futures=True)
        return outcomes

    def _baseline(self, work: str) -> Baseline:
        with self._baseline_lock:
            if work not in self._baselines:
                self._baselines[work] = befallen.baseline(
                    self._folder / f"baseline {work}", befallen.ALL[work]
                )
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
        rng = random.Random(f"{self._seed} {number}")
        works = [w for w in self._works if "parallel" in w or kind not in PARALLEL]
        work = rng.choice(works)
        began = time.monotonic()
        folder = self._folder / f"round-{number}"
        folder.mkdir()
        trial = Trial(kind, work, folder, self._baseline(work), rng)
        with contextlib.ExitStack() as stack:
            if kind == "disk full":
                stack.enter_context(_small_disk(folder))
            if kind in SERVER:
                trial.server = stack.enter_context(self._server())
            try:
                trial.go()
            except Exception:  # noqa: BLE001 - what came of it is told
                trial.findings.append(f"the round failed: {traceback.format_exc()}")
            if self._kept and trial.findings:
                shutil.copytree(folder, self._kept / folder.name, dirs_exist_ok=True)
                (self._kept / folder.name / "said.txt").write_text(trial.said)
        shutil.rmtree(folder, ignore_errors=True)
        seconds = time.monotonic() - began
        return Outcome(kind, work, seconds, trial.met, trial.late, trial.findings)


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
    """Prints how many rounds each kind had, how many met a command at work, and what was found."""
    table = Table("kind", box=SIMPLE_HEAD)
    for title in ("rounds", "at work", "last tenth", "findings", "seconds a round"):
        table.add_column(title, justify="right")
    for kind in sorted({outcome.kind for outcome in outcomes}):
        same = [outcome for outcome in outcomes if outcome.kind == kind]
        seconds = sum(outcome.seconds for outcome in same) / len(same)
        table.add_row(kind, *_counts(same), f"{seconds:.1f}")
    table.add_section()
    table.add_row("all", *_counts(outcomes), "")
    Console().print(table)


def _counts(outcomes: list[Outcome]) -> list[str]:
    met = sum(outcome.met for outcome in outcomes)
    late = sum(outcome.late for outcome in outcomes)
    wrong = sum(bool(outcome.findings) for outcome in outcomes)
    return list(map(str, (len(outcomes), met, late, wrong)))


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
