"""Whether a config differs from the best: paired tests on the test images, corrected by Holm.

Two runs are compared image by image, two groups seed by seed. Nothing here chooses a winner.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mnist_exp.commands.compare.groups import Group, seed_of
from mnist_exp.core.statistics import (
    LEVEL,
    holm,
    mcnemar_test,
    paired_t_test,
    pairs_needed,
    standard_deviation,
)
from mnist_exp.tracking.read.evidence import Predictions

_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Finding:
    """What a test says of a config beside the reference."""

    method: str  # "McNemar", "paired t", or "" where nothing is paired
    difference: float  # of test accuracy, this one's minus the reference's, 0-1
    p: float | None  # two-sided; None without a test
    adjusted: float | None  # by Holm, for the number of tests
    remark: str  # what the numbers are, or what would tell more

    @property
    def significant(self) -> bool:
        """Whether the two differ."""
        return self.adjusted is not None and self.adjusted < LEVEL

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.adjusted is None:
            return self.remark
        if self.significant:
            return f"{'better' if self.difference > 0 else 'worse'} on test"
        return f"not distinguishable{f'; {self.remark}' if self.remark else ''}"


def findings(
    groups: Sequence[Group], predictions: Mapping[str, Predictions]
) -> list[Finding | None]:
    """Tests every group against the first one.

    Args:
        groups: of runs.
        predictions: run id -> what the run said of the test images.

    Returns:
        One finding per group; None for the first.
    """
    reference = groups[0]
    found = [_finding(other, reference, predictions, LEVEL) for other in groups[1:]]
    tested = [(place, one.p) for place, one in enumerate(found) if one.p is not None]
    if len(tested) > 1:  # more seeds have to pass Holm's correction as well
        level = LEVEL / len(tested)
        found = [_finding(other, reference, predictions, level) for other in groups[1:]]
    adjusted = holm([p for _, p in tested])
    for (place, _), p in zip(tested, adjusted, strict=True):
        found[place] = replace(found[place], adjusted=p)
    return [None, *found]


def _finding(
    group: Group, reference: Group, predictions: Mapping[str, Predictions], level: float
) -> Finding:
    own = {seed_of(run): predictions[run.run_id] for run in group.runs}
    others = {seed_of(run): predictions[run.run_id] for run in reference.runs}
    shared = sorted(own.keys() & others.keys())
    if len(shared) > 1:
        pairs = [own[seed] for seed in shared], [others[seed] for seed in shared]
        return _by_seeds(*pairs, level)
    if len(own) == len(others) == 1:
        return _by_images(*own.values(), *others.values())
    if shared:
        found = _by_images(own[shared[0]], others[shared[0]])
        return replace(found, remark=f"only seed {shared[0]} is shared; {found.remark}")
    means = [math.fsum(_accuracy(p) for p in side.values()) / len(side) for side in (own, others)]
    return Finding("", means[0] - means[1], None, None, "not tested: no seed in common")


def _by_seeds(own: Sequence[Predictions], others: Sequence[Predictions], level: float) -> Finding:
    differences = [_accuracy(a) - _accuracy(b) for a, b in zip(own, others, strict=True)]
    mean = math.fsum(differences) / len(differences)
    resolution = 1 / len(own[0].labels)
    p = paired_t_test(differences, resolution)
    deviation = max(standard_deviation(differences), resolution)
    needed = pairs_needed(mean, deviation, level=level, most=_MOST_SEEDS)
    if needed is None:
        remark = f"{_MOST_SEEDS:,} seeds would not tell"
    else:
        more = max(1, needed - len(differences))
        remark = f"about {more} more {'seed' if more == 1 else 'seeds'} would tell"
    return Finding("paired t", mean, p, None, remark)


def _by_images(own: Predictions, other: Predictions) -> Finding:
    right, wrong = (
        int((own.correct & ~other.correct).sum()),
        int((other.correct & ~own.correct).sum()),
    )
    difference = (right - wrong) / len(own.labels)
    remark = f"{right} against {wrong} images; several seeds of each would say more"
    return Finding("McNemar", difference, mcnemar_test(right, wrong), None, remark)


def _accuracy(predictions: Predictions) -> float:
    return float(predictions.correct.mean())
