"""What sweeps are for, measured: grids, searches, idle slots, and what need not run again."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from grid import Grid, measure_grid
from idle import measure_idle
from ledger import measure_deciding
from measuring import Line
from search import Budget, measure_searches

FINISHED_JOBS = 10_000
CAPTION = (
    "A loop of which only some trainings were run is estimated from them. Of a search: what it "
    "spent until it was as good as random search in the end, as a share of all that random spent."
)


def measure(folder: Path, options: Namespace) -> list[Line]:
    """Measures all four, or the one that was asked for.

    Args:
        folder: an empty one.
        options: `runs`, `repeats`, `quick` and `only` of the command line.
    """
    comparisons: dict[str, Callable[[Path], list[Line]]] = {
        "grid": lambda place: measure_grid(place, options.runs, Grid(), quick=options.quick),
        "search": lambda place: measure_searches(place, options.repeats, Budget()),
        "idle": lambda place: measure_idle(place, options.runs),
        "ledger": lambda place: measure_deciding(place, options.runs, FINISHED_JOBS),
    }
    lines: list[Line] = []
    for name, compare in comparisons.items():
        if options.only in {None, name}:
            place = folder / name
            place.mkdir()
            lines += compare(place)
    return lines
