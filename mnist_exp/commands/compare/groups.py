"""From runs to configs: the seeds of each together, and the keys in which they differ."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mnist_exp.config.identity import determines
from mnist_exp.tracking.names import CODE_TAG, COMPONENTS_TAG
from mnist_exp.tracking.records import RunRecord

SEED = "seed"
SPLIT = "data.split_seed"
METRICS = "metrics"  # what a run measures beside accuracy changes nothing in it
THREADS = "training.threads"  # they change the weights, but what the experiment is they do not
CODE = "code"
_DIGEST_CHARACTERS = 8


@dataclass(frozen=True)
class Group:
    """The runs of one config."""

    runs: tuple[RunRecord, ...]  # one per seed, by seed
    settings: Mapping[str, str]  # dotted key -> text, of all that determines the result but seeds
    options: Mapping[str, str]  # section -> the option that was chosen, else the component

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order of the runs."""
        return tuple(map(seed_of, self.runs))

    @property
    def name(self) -> str:
        """The name of the run, or of the first of several."""
        more = len(self.runs) - 1
        return f"{self.runs[0].name} and {more} more" if more else self.runs[0].name


def seed_of(run: RunRecord) -> int:
    """Returns the seed of a run; -1 where it recorded none."""
    text = run.params.get(SEED, "")
    return int(text) if text.isdecimal() else -1


def group(runs: Iterable[RunRecord]) -> list[Group]:
    """Puts runs that differ in nothing but the seed together, in the order of their first.

    Of the same config, seeds, threads and code, the run that comes first counts: a repetition
    measures nothing new.
    """
    found: dict[frozenset[tuple[str, str]], list[RunRecord]] = {}
    for run in runs:
        found.setdefault(frozenset(_settings(run).items()), []).append(run)
    apart = [
        (same, {**split, **threads, **code})
        for alike in found.values()
        for on_one_split, split in _apart(alike, SPLIT, _split)
        for on_so_many_threads, threads in _apart(on_one_split, THREADS, _threads)
        for same, code in _apart(on_so_many_threads, CODE, _code)
    ]
    telling = {key for _, values in apart for key in values}
    return [
        _group(
            same, _settings(same[0]) | {key: _common(same, key) for key in _READ if key in telling}
        )
        for same, _ in apart
    ]


def _common(runs: Sequence[RunRecord], key: str) -> str:
    """Returns what runs have in a column that tells some of them apart."""
    values = set(map(_READ[key], runs))
    return values.pop() if len(values) == 1 else "several"


def _apart(
    alike: Sequence[RunRecord], key: str, value_of: Callable[[RunRecord], str]
) -> Iterator[tuple[list[RunRecord], dict[str, str]]]:
    """Yields runs, apart by a value where the same seed was run with several.

    Other seeds with other values stay together: most versions of the code change no result, and
    which images are held out is drawn by chance as all else is.

    Args:
        alike: the runs.
        key: that the value has in a table.
        value_of: a run.

    Yields:
        Some of the runs, and key -> value if they are apart.
    """
    values: dict[str, list[RunRecord]] = {}
    for run in alike:
        values.setdefault(value_of(run), []).append(run)
    pairs = {(seed_of(run), value_of(run)) for run in alike}
    if len(pairs) == len({seed for seed, _ in pairs}):
        yield list(alike), {}
        return
    for value, runs in values.items():
        yield runs, {key: value}


def _split(run: RunRecord) -> str:
    return run.params.get(SPLIT, "")


def _threads(run: RunRecord) -> str:
    return run.params.get(THREADS, "")


def _code(run: RunRecord) -> str:
    digest = run.tags.get(CODE_TAG, "")
    if COMPONENTS_TAG in run.tags:  # of the user's own, which are code too
        digest = hashlib.sha256(f"{digest}{run.tags[COMPONENTS_TAG]}".encode()).hexdigest()
    return digest[:_DIGEST_CHARACTERS]


_READ = {SPLIT: _split, THREADS: _threads, CODE: _code}


def _group(runs: Sequence[RunRecord], settings: Mapping[str, str]) -> Group:
    seeds = {seed_of(run): run for run in reversed(runs)}
    chosen = [seeds[seed] for seed in sorted(seeds)]
    return Group(tuple(chosen), settings, _options(chosen, settings))


def differing(groups: Sequence[Group]) -> list[str]:
    """Returns every dotted key that has not the same value in all groups, in their order."""
    keys = dict.fromkeys(key for found in groups for key in found.settings)
    return [key for key in keys if len({found.settings.get(key) for found in groups}) > 1]


def shown(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Returns what sets the groups apart, for a table: column -> value of each group.

    A component is named by its option; its keys have a column of their own only where groups of
    the same option differ in them.
    """
    columns = {}
    for key in differing(groups):
        section, _, name = key.partition(".")
        if name == "name" or (section not in columns and _differ(groups, section)):
            columns[section] = [found.options.get(section, "") for found in groups]
        if name != "name" and _differ_within(groups, section, key):
            columns[key] = [found.settings.get(key, "") for found in groups]
    return columns


def _differ(groups: Sequence[Group], section: str) -> bool:
    named = f"{section}.name" in groups[0].settings
    return named and len({found.options.get(section) for found in groups}) > 1


def _differ_within(groups: Sequence[Group], section: str, key: str) -> bool:
    values: dict[str | None, set[str | None]] = {}
    for found in groups:
        values.setdefault(found.options.get(section), set()).add(found.settings.get(key))
    return any(len(different) > 1 for different in values.values())


def _settings(run: RunRecord) -> dict[str, str]:
    return {
        key: text
        for key, text in run.params.items()
        if key not in (SEED, SPLIT, METRICS) and determines(key)
    }


def _options(runs: Sequence[RunRecord], settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the chosen options; where runs chose the same by different names, the component."""
    options = {}
    for key, component in settings.items():
        section, _, name = key.partition(".")
        if name == "name":
            names = {run.tags.get(section, component) for run in runs}
            options[section] = names.pop() if len(names) == 1 else component
    return options
