"""The plan of a grid as `--dry-run` shows it: each job, what sets it apart, and how it stands."""

from collections.abc import Iterable, Sequence

from mnist_exp.core.terminal import printable
from mnist_exp.core.text import short_keys, shortened
from mnist_exp.sweeps.results.ranking import key_and_value

_MOST = 50  # jobs that are all shown; of more, those at both ends
_HEAD, _TAIL = 30, 10

Line = tuple[int, tuple[str, ...], str]  # a job's number, its own overrides, its state


def text(jobs: Sequence[Line]) -> str:
    """Returns a line for each job, under a line of names; of long plans the beginning and the end.

    Args:
        jobs: of the plan, in its order.
    """
    keys = _varying(overrides for _, overrides, _ in jobs)
    rows = [
        [str(number), *_values(overrides, keys), printable(state)]
        for number, overrides, state in jobs
    ]
    if len(rows) > _MOST:
        left = ["..."] * (len(keys) + 1) + [f"{len(rows) - _HEAD - _TAIL} more"]
        rows = [*rows[:_HEAD], left, *rows[-_TAIL:]]
    rows = [["job", *short_keys(keys).values(), "state"], *rows]
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        "  ".join([f"{number:>{first}}", *map(str.ljust, cells, widths)]).rstrip()
        for number, *cells in rows
    )


def _values(overrides: Iterable[str], keys: Iterable[str]) -> list[str]:
    own = dict(map(key_and_value, overrides))
    return [shortened(own.get(key, "")) for key in keys]


def _varying(configs: Iterable[Iterable[str]]) -> list[str]:
    """Returns the keys, the seed among them, that differ between jobs."""
    every = [dict(map(key_and_value, overrides)) for overrides in configs]
    keys = dict.fromkeys(key for config in every for key in config)
    return [key for key in keys if len({config.get(key) for config in every}) > 1]
