"""What sweeps are for, measured: a grid, searches, and knowing what need not run again."""

from argparse import Namespace
from pathlib import Path

from benchmark_grid import Grid, measure_grid
from benchmark_ledger import measure_deciding
from benchmark_search import Budget, measure_searches
from measuring import Line

FINISHED_JOBS = 10_000


def measure(folder: Path, options: Namespace) -> list[Line]:
    """Measures all three, or the one that was asked for.

    Args:
        folder: an empty one.
        options: `runs`, `repeats`, `quick` and `only` of the command line.
    """
    comparisons = {
        "grid": lambda place: measure_grid(place, options.runs, Grid(), quick=options.quick),
        "search": lambda place: measure_searches(place, options.repeats, Budget()),
        "ledger": lambda place: measure_deciding(place, options.runs, FINISHED_JOBS),
    }
    lines = []
    for name, compare in comparisons.items():
        if options.only in {None, name}:
            place = folder / name
            place.mkdir()
            lines += compare(place)
    return lines
