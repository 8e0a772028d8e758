"""What the configs of a sweep are compared by, and how it is written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_exp.config.fields import ACCURACY
from mnist_exp.core.statistics import Summary, summarize
from mnist_exp.core.text import percent
from mnist_exp.evaluation.names import VALIDATION, chosen

if TYPE_CHECKING:
    from mnist_exp.plots.scale import Scale

_PARAM = "search.objective"


@dataclass(frozen=True)
class Objective:
    """A metric of the validation images, of which the greatest value is the best."""

    name: str = ACCURACY

    @classmethod
    def of(cls, params: Mapping[str, str]) -> "Objective":
        """Returns that of a job.

        Args:
            params: its whole config; a grid has no other than accuracy.
        """
        return cls(params.get(_PARAM, ACCURACY))

    @property
    def metric(self) -> str:
        """Its name in MLflow, with a value for each epoch."""
        return f"{VALIDATION}{self.name}"

    @property
    def words(self) -> str:
        """What it is."""
        return f"validation {self.name}"

    @property
    def heading(self) -> str:
        """What stands above its values; accuracies are in %."""
        return "validation %" if self._is_accuracy else self.words

    @property
    def short_heading(self) -> str:
        """The same where there is little room."""
        return f"val {'%' if self._is_accuracy else self.name}"

    def value(self, metrics: Mapping[str, float]) -> float:
        """Returns its value of the weights that were kept; NaN where there is none.

        Args:
            metrics: of a run, the last value of each.
        """
        return metrics.get(chosen(self.name), metrics.get(self.metric, math.nan))

    def number(self, value: float) -> str:
        """Returns a value under its heading."""
        return percent(value) if self._is_accuracy else f"{value:.4f}"

    def span(self, low: float, high: float) -> str:
        """Returns an interval under its heading; other numbers than accuracies may be negative."""
        between = "-" if self._is_accuracy else " to "
        return f"{self.number(low)}{between}{self.number(high)}"

    def text(self, value: float) -> str:
        """Returns a value on its own."""
        return f"{self.number(value)}%" if self._is_accuracy else self.number(value)

    @property
    def unit(self) -> str:
        """What its name has behind it in a picture."""
        return " (%)" if self._is_accuracy else ""

    def phrase(self, value: float) -> str:
        """Returns a value with what it is, in a heading."""
        return f"{self.number(value)}{' %' if self._is_accuracy else ''} {self.words}"

    def told(self, value: float) -> str:
        """Returns a value with what it is, in few words."""
        return f"{'validation' if self._is_accuracy else self.name} {self.text(value)}"

    def summary(self, values: Sequence[float], images: int) -> Summary:
        """Returns the mean of values, one for each seed, with its interval.

        Args:
            values: at least one.
            images: of validation; without any, nothing is known.
        """
        if not images:
            return Summary(math.nan, None, math.nan, math.nan)
        return summarize(values, images if self._is_accuracy else None)

    def scale(self, values: Sequence[float]) -> "Scale":
        """Returns the axis that pictures have for values."""
        from mnist_exp.plots.scale import AccuracyScale, LinearScale

        return AccuracyScale(values) if self._is_accuracy else LinearScale(values)

    @property
    def intervals(self) -> str:
        """Says what the intervals are."""
        of_one = "; a single seed has none"
        if self._is_accuracy:
            of_one = " or, of a single seed or seeds that agree, over validation images (Wilson)"
        return f"Intervals: 95 %, over the seeds of a config (Student's t){of_one}."

    @property
    def _is_accuracy(self) -> bool:
        return self.name == ACCURACY
