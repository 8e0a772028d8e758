"""Changes modules in one small way after the other, and says which changes no test notices.

cosmic-ray makes the changes. Each is tried in a copy of the checkout on the tests of its module, in
a fork of the tests' warm interpreter, so that only the package itself is imported anew.
"""

import argparse
import difflib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from forks import place
from invoke import python

ROOT = Path(__file__).resolve().parent.parent
# What a result rests on -> its tests, as pytest takes them.
MODULES = {
    "core/statistics.py": ("tests/core/test_statistics.py",),
    "data/splits.py": (
        "tests/data/test_splits.py",
        "tests/data/test_idx.py",
        "tests/data/test_digits.py",
    ),
    "training/loop.py": ("tests/training/test_loop.py",),
    "training/checkpoint.py": (
        "tests/training/test_checkpoint.py",
        "tests/training/test_loop.py",
        "-k",
        "checkpoint or resumed and float32",
    ),
    "tracking/journal/__init__.py": (
        "tests/tracking/test_journal.py",
        "tests/tracking/test_damage.py",
    ),
    "tracking/journal/lines.py": ("tests/tracking/test_damage.py",),
    "tracking/journal/reading.py": ("tests/tracking/test_damage.py",),
    "tracking/journal/state.py": ("tests/tracking/test_journal.py",),
    "commands/reproduce/verdict.py": ("tests/commands/reproduce/test_verdict.py",),
    "sweeps/results/ranking.py": ("tests/sweeps/test_ranking.py",),
}
OPERATORS = (
    "ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul", "ReplaceBinaryOperator_Mod_FloorDiv",
    "ReplaceBinaryOperator_Pow_Mul", "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is", "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "AddNot", "NumberReplacer",
    "RemoveDecorator", "ZeroIterationForLoop",
)  # fmt: skip
# Runs pytest on the package of the working folder; the interpreter had imported another copy.
PROGRAM = """
import sys
for name in list(sys.modules):
    if name.partition(".")[0] in {"mnist_exp", "hydra_plugins"}:
        del sys.modules[name]
import pytest
sys.exit(pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
# A change that makes a loop endless is noticed by its time: so often what the tests take, and more.
LIMIT_FACTOR, LIMIT_SECONDS = 10, 30.0


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    module: str  # within the package
    operator: str
    source: str
    code: str  # the changed source

    def difference(self) -> str:
        """Returns the lines that differ."""
        before, after = self.source.splitlines(), self.code.splitlines()
        lines = difflib.unified_diff(before, after, lineterm="", n=0)
        return "\n".join(list(lines)[2:])


def main() -> None:
    """Tries every change, prints the table and those that were not noticed."""
    options = parse()
    chosen = options.modules or list(MODULES)
    mutants = [mutant for module in chosen for mutant in mutants_of(module)][:: options.every]
    with tempfile.TemporaryDirectory(prefix="mnist-exp-mutants-") as folder, place():
        noticed = tried(mutants, Path(folder), options.jobs)
    console = Console(highlight=False)
    console.print(table(chosen, mutants, noticed))
    for mutant, was_noticed in zip(mutants, noticed, strict=True):
        if not was_noticed:
            console.print(f"{mutant.module}: {mutant.operator}", markup=False)
            console.print(mutant.difference(), markup=False, soft_wrap=True)


def parse() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument(
        "modules",
        nargs="*",
        metavar="MODULE",
        choices=[*MODULES, []],
        help=f"{', '.join(MODULES)}; all by default",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="each Nth change only (1)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), metavar="N", help="tries at once (cores)"
    )
    return parser.parse_args()


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yields every change of a module once."""
    source = (ROOT / "mnist_exp" / module).read_text(encoding="utf-8")
    seen = {source}
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        for number in itertools.count():
            code = mutate_code(source, operator, number)
            if code is None:
                break
            if code not in seen:
                seen.add(code)
                mutant = Mutant(module, name, source, code)
                if "@dataclass" not in mutant.difference():  # how it is made decides no result
                    yield mutant


def tried(mutants: list[Mutant], folder: Path, jobs: int) -> list[bool]:
    """Returns whether a test noticed each.

    Raises:
        AssertionError: the tests of a module fail without any change.
    """
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(jobs):
        copies.put(copied(folder / str(number)))
    done = itertools.count(1)

    def is_noticed(mutant: Mutant) -> bool:
        copy = copies.get()
        try:
            file = copy / "mnist_exp" / mutant.module
            file.write_text(mutant.code, encoding="utf-8")
            noticed = not passes(mutant.module, copy, limits[mutant.module])
            file.write_text(mutant.source, encoding="utf-8")
            print(f"{next(done)} of {len(mutants)} tried", file=sys.stderr)
            return noticed
        finally:
            copies.put(copy)

    limits = {}
    for module in dict.fromkeys(mutant.module for mutant in mutants):
        began = time.monotonic()
        assert passes(module, folder / "0", None), f"The tests of {module} fail."
        limits[module] = LIMIT_SECONDS + LIMIT_FACTOR * (time.monotonic() - began)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(is_noticed, mutants))


def copied(target: Path) -> Path:
    """Copies what git knows of the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def passes(module: str, copy: Path, limit_seconds: float | None) -> bool:
    """Says whether the tests of a module pass in a copy of the checkout, within some time."""
    try:
        done = python(PROGRAM, *MODULES[module], cwd=copy, timeout=limit_seconds)
    except AssertionError:
        return False
    return int(done.returncode) == 0


def table(modules: list[str], mutants: list[Mutant], noticed: list[bool]) -> Table:
    """Returns how many changes of each module were noticed."""
    table = Table("module", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("changes", "noticed", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    for name in (*modules, "all"):
        own = [n for m, n in zip(mutants, noticed, strict=True) if name in {m.module, "all"}]
        table.add_row(name, str(len(own)), str(sum(own)), f"{sum(own) / max(1, len(own)):.1%}")
    return table


if __name__ == "__main__":
    main()
