"""How a model stands corrupted test images: its accuracy on each of 45 sets, and what it mistakes.

One set is in memory at a time. How the images are corrupted is told by `corruptions`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core import statistics
from mnist_exp.core.digits import CLASSES
from mnist_exp.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_exp.evaluation.metrics import Evaluation, evaluate

PredictLogits = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Sets = Iterable[tuple[str, int]]  # corruption and strength


@dataclass(frozen=True, eq=False)
class Mistake:
    """A digit that the model recognises, and takes for another when it is corrupted."""

    original: NDArray[np.uint8]  # uint8 [28, 28]
    corrupted: NDArray[np.uint8]  # uint8 [28, 28]
    strength: int
    label: int
    answer: int
    probability: float  # of the answer


@dataclass(frozen=True, eq=False)
class Corrupted:
    """What one corruption does to a model."""

    name: str
    accuracies: tuple[float, ...]  # 0-1, by strength
    samples: tuple[NDArray[np.uint8], ...]  # uint8 [28, 28], one image at each strength
    mistake: Mistake | None  # the surest; None where every digit that was recognised still is

    @property
    def accuracy(self) -> float:
        """The mean over the strengths."""
        return sum(self.accuracies) / len(self.accuracies)


@dataclass(frozen=True, eq=False)
class Robustness:
    """What all of them do."""

    clean: Evaluation  # on the images as they are
    corruptions: tuple[Corrupted, ...]
    accuracy: float  # 0-1, the mean over all sets
    # 95 % t interval over the images, each with its share of right answers; Wilson's if all agree.
    accuracy_low: float
    accuracy_high: float

    @property
    def by_strength(self) -> tuple[float, ...]:
        """The mean over the corruptions, at each strength."""
        columns = zip(*(one.accuracies for one in self.corruptions), strict=True)
        return tuple(sum(column) / len(column) for column in columns)


class _Set(NamedTuple):
    accuracy: float
    sample: NDArray[np.uint8]
    mistake: Mistake | None


def measure(
    predict: PredictLogits,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    watched: Callable[[list[tuple[str, int]]], Sets] = iter,
) -> Robustness:
    """Measures a model on every corruption at every strength.

    Args:
        predict: uint8 [N, 28, 28] -> logits float32 [N, 10].
        images: uint8 [N, 28, 28], 0-255, ink bright.
        labels: uint8 [N], 0-9.
        watched: wraps the list of sets, to show how far it is.
    """
    clean = evaluate(predict(images), labels)
    names = list(CORRUPTIONS)
    found: dict[str, list[_Set]] = {name: [] for name in names}
    right = np.zeros(len(labels), np.int64)  # in how many sets, for each image
    for name, strength in watched(list(product(names, STRENGTHS))):
        changed = corrupt(images, name, strength)
        result = evaluate(predict(changed), labels)
        right += result.predictions == labels
        sample = changed[_sample(labels, names.index(name))]
        mistake = _surest_mistake(clean, result, images, changed, strength)
        found[name].append(_Set(result.accuracy, sample, mistake))
    # All sets show the same images: the sample is of images, not of images times sets.
    sets = len(names) * len(STRENGTHS)
    summary = statistics.summarize((right / sets).tolist(), len(labels))
    corruptions = tuple(_summary(name, own) for name, own in found.items())
    return Robustness(clean, corruptions, summary.mean, summary.low, summary.high)


def metrics(found: Robustness) -> dict[str, float]:
    """Returns what a run records: the mean, the clean images, each corruption and strength."""
    values = {
        "accuracy": found.accuracy,
        "accuracy_low": found.accuracy_low,
        "accuracy_high": found.accuracy_high,
        "clean/accuracy": found.clean.accuracy,
    }
    for one in found.corruptions:
        values[f"{one.name}/accuracy"] = one.accuracy
        for strength, accuracy in zip(STRENGTHS, one.accuracies, strict=True):
            values[f"{one.name}/{strength}/accuracy"] = accuracy
    return values


def _summary(name: str, sets: list[_Set]) -> Corrupted:
    mistakes = [one.mistake for one in sets if one.mistake is not None]
    return Corrupted(
        name,
        tuple(one.accuracy for one in sets),
        tuple(one.sample for one in sets),
        max(mistakes, key=lambda mistake: mistake.probability, default=None),
    )


def _sample(labels: NDArray[np.uint8], place: int) -> int:
    """Returns the index of an image to be shown, of another digit for each neighbour's place."""
    return int(np.argmax(labels == place % CLASSES))


def _surest_mistake(
    clean: Evaluation,
    result: Evaluation,
    images: NDArray[np.uint8],
    changed: NDArray[np.uint8],
    strength: int,
) -> Mistake | None:
    recognised = clean.predictions == clean.labels
    lost = np.flatnonzero(recognised & (result.predictions != result.labels))
    if len(lost) == 0:
        return None
    sureness = np.nan_to_num(result.probabilities[lost].max(axis=1))
    index = int(lost[sureness.argmax()])
    return Mistake(
        images[index],
        changed[index],
        strength,
        label=int(result.labels[index]),
        answer=int(result.predictions[index]),
        probability=float(result.probabilities[index].max()),
    )
