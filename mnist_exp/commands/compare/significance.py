"""Whether a config differs from the best: paired tests on the test images, corrected by Holm.

Two runs are compared image by image, two groups seed by seed. Nothing here chooses a winner.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mnist_exp.commands.compare.groups import Group, seed_of
from mnist_exp.core.statistics import (
    LEVEL,
    holm,
    mcnemar_test,
    paired_t_test,
    pairs_needed,
    standard_deviation,
)
from mnist_exp.core.text import counted
from mnist_exp.tracking.read.evidence import Predictions

BY_IMAGES, BY_SEEDS = "McNemar", "paired t"
_MOST_SEEDS, _POWER = 1000, 0.8
_CHANCE = f"{100 * _POWER:.0f} %"


@dataclass(frozen=True)
class Looks:
    """How often groups are tested, each time on new seeds."""

    planned: int  # in all, this time included, at least 1
    last: bool  # whether this is the last time, after which no more seeds are due


@dataclass(frozen=True)
class Finding:
    """What a test says of a config beside the reference."""

    method: str  # BY_IMAGES, BY_SEEDS, or "" where nothing is paired
    # Of test accuracy, this one's minus the reference's, 0-1, over what is paired; else None.
    difference: float | None
    p: float | None  # two-sided, by seeds for all looks together; None without a test
    adjusted: float | None  # by Holm, for the number of tests
    remark: str  # what the numbers are, or what would tell more
    scope: str = ""  # what a difference is said of, where that is not the config

    @property
    def significant(self) -> bool:
        """Whether the two differ."""
        return self.adjusted is not None and self.adjusted < LEVEL

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.adjusted is None:
            return self.remark
        if self.significant and self.difference is not None:
            word = "better" if self.difference > 0 else "worse"
            return f"{word} on test{f': {self.scope}, not its config' if self.scope else ''}"
        return f"not distinguishable{f'; {self.remark}' if self.remark else ''}"


def findings(
    groups: Sequence[Group], predictions: Mapping[str, Predictions], looks: Looks
) -> list[Finding | None]:
    """Tests every group against the first one.

    Args:
        groups: of runs.
        predictions: run id -> what the run said of the test images.
        looks: how often this is done.

    Returns:
        One finding per group; None for the first.
    """
    reference = groups[0]
    due = partial(_finding, reference=reference, predictions=predictions, looks=looks)
    found = [due(other) for other in groups[1:]]
    tested = [(place, one.p) for place, one in enumerate(found) if one.p is not None]
    if len(tested) > 1:  # new seeds have to pass Holm's correction as well
        found = [due(other, tests=len(tested)) for other in groups[1:]]
    adjusted = holm([p for _, p in tested])
    for (place, _), p in zip(tested, adjusted, strict=True):
        found[place] = replace(found[place], adjusted=p)
    return [None, *found]


def looks_in_words(looks: Looks, next_seed: int) -> str:
    """Returns how often p of groups allows to look, and how.

    Args:
        looks: how often groups are tested.
        next_seed: above all that were compared.
    """
    times = looks.planned
    if times == 1:
        return (
            "p of groups is for this look alone (--looks 1): adding seeds until it is small finds "
            "differences that are not there."
        )
    if looks.last:
        return (
            f"p of groups is multiplied by {times}: this is the last of {times} (--looks), on "
            "new seeds alone. Another would find too often what is not there."
        )
    return (
        f"p of groups is multiplied by {times}, for {times} looks in all (--looks), each on new "
        f"seeds alone (the next with --from-seed {next_seed}): together they find a difference "
        "that is not there in 5 % of cases at most. More looks have to be asked for from the first "
        "on; old and new seeds tested together find more than there is."
    )


def _finding(
    group: Group,
    *,
    reference: Group,
    predictions: Mapping[str, Predictions],
    looks: Looks,
    tests: int = 1,
) -> Finding:
    own = {seed_of(run): predictions[run.run_id] for run in group.runs}
    others = {seed_of(run): predictions[run.run_id] for run in reference.runs}
    shared = sorted(own.keys() & others.keys())
    if len(shared) > 1:
        differences = [_accuracy(own[seed]) - _accuracy(others[seed]) for seed in shared]
        images = len(own[shared[0]].labels)
        return by_seeds(differences, images, looks, tests=tests)
    if len(own) == len(others) == 1:
        return _by_images(*own.values(), *others.values())
    if shared:
        found = _by_images(own[shared[0]], others[shared[0]])
        scope = f"seed {shared[0]} alone"
        return replace(
            found, remark=f"only seed {shared[0]} is shared; {found.remark}", scope=scope
        )
    return Finding("", None, None, None, "not tested: no seed in common")


def by_seeds(differences: Sequence[float], images: int, looks: Looks, *, tests: int = 1) -> Finding:
    """Tests one difference of accuracies a seed.

    Whoever tests again has another chance to find what is not there. By Bonferroni, p times the
    number of looks keeps all of them together at the level. That holds where each look has seeds
    of its own: a test of old and new ones together is no test at that level when the number of
    the new ones was chosen by the old.

    Args:
        differences: Of test accuracy, 0-1, at least two.
        images: In the test set.
        looks: How often this is done.
        tests: That stand beside this one, itself included.
    """
    mean = math.fsum(differences) / len(differences)
    p = min(1.0, looks.planned * paired_t_test(differences, 1 / images))
    if looks.last:
        return Finding(BY_SEEDS, mean, p, None, "")
    deviation = max(standard_deviation(differences), 1 / images)
    level = LEVEL / (looks.planned * tests)
    needed = pairs_needed(mean, deviation, level=level, power=_POWER, most=_MOST_SEEDS)
    if needed is None:
        remark = f"{_MOST_SEEDS:,} seeds would not tell, if it is as measured"
    else:
        new = counted(needed, "new seed")
        remark = f"about {new} would tell ({_CHANCE} chance, if it is as measured)"
    return Finding(BY_SEEDS, mean, p, None, remark)


def _by_images(own: Predictions, other: Predictions) -> Finding:
    right, wrong = own.alone(other), other.alone(own)
    difference = (right - wrong) / len(own.labels)
    remark = f"{right} against {wrong} images of two runs; seeds of each would tell of the configs"
    return Finding(BY_IMAGES, difference, mcnemar_test(right, wrong), None, remark, "this run")


def _accuracy(predictions: Predictions) -> float:
    return float(predictions.correct.mean())
