"""Rules between the sections of a config; those within one stand beside its keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from mnist_exp.config import components
from mnist_exp.config.fields import ACCURACY, MEMBERS, SEEDS
from mnist_exp.config.keys import select
from mnist_exp.config.problems import Problem
from mnist_exp.config.wording import show
from mnist_exp.core.errors import nearest


def between_sections(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields what is wrong between sections.

    Args:
        values: the whole config, in which anything may be wrong.
    """
    yield from _without_validation(values)
    yield from _too_many_seeds(values)
    yield from _unmeasured_objective(values)
    yield from _repeated_metrics(values)


def _without_validation(values: Mapping[str, Any]) -> Iterator[Problem]:
    if select(values, "data.validation_images") != 0:
        return
    for key, off in (("best_weights", False), ("early_stopping_patience", None)):
        value = select(values, f"training.{key}")
        if value:
            yield Problem(
                f"training.{key}",
                f"{show(off)} where data.validation_images is 0, for it looks at validation",
                show(value),
                f"Set training.{key}={show(off)}, or hold out images with data.validation_images.",
            )


def _too_many_seeds(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields a problem where the members of an ensemble would have seeds that are none."""
    seed, members = values.get("seed"), select(values, "ensemble.members")
    if not isinstance(seed, int) or not isinstance(members, int) or not 1 < members <= MEMBERS:
        return
    highest = SEEDS // members - 1
    if highest < seed < SEEDS:
        yield Problem(
            "seed",
            f"at most {highest:,} where ensemble.members is {members}, for each member has a seed "
            f"of its own, from seed * {members} on",
            str(seed),
            "Use a smaller seed.",
        )


def _unmeasured_objective(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields a problem where a search goes by what is not measured."""
    objective, asked = select(values, "search.objective"), values.get("metrics")
    if not isinstance(objective, str) or not isinstance(asked, list):
        return
    names = [ACCURACY, *map(str, asked)]
    if objective in names:
        return
    remedy = nearest(objective, names)
    if objective in components.metrics():
        remedy = f"Have it measured: metrics=[{','.join([*names[1:], objective])}]."
    expected = f"{ACCURACY}, or a name in metrics, which has {', '.join(names[1:]) or 'none'}"
    yield Problem("search.objective", expected, show(objective), remedy.strip())


def _repeated_metrics(values: Mapping[str, Any]) -> Iterator[Problem]:
    asked = values.get("metrics")
    if isinstance(asked, list) and len(set(map(str, asked))) < len(asked):
        names = ",".join(dict.fromkeys(map(str, asked)))
        yield Problem("metrics", "each name once", show(asked), f"Write metrics=[{names}].")
