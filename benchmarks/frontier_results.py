"""What each contender's runs gave, the figures made of them, and the way to JSON and back."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mnist_exp.core.statistics import Summary, summarize

REFERENCE = "keras_example"  # whose fit the others are compared with
AIM_TIMES = {"fast": 40.0}  # at least so many times faster than it
TARGETS = (0.99, 0.992)  # accuracies that training races are held for
SHORT = {"float32": "f32", "bfloat16": "bf16"}
OPERATIONS = 2  # a multiplication with its addition
MEDIANS = ("fit_seconds", "command_seconds", "peak_mb", "images_per_second", "test_loss")


@dataclass(frozen=True)
class Trial:
    """One run that has ended well."""

    seed: int
    command_seconds: float
    peak_mb: float
    fit_seconds: float
    test_errors: int
    test_images: int
    test_loss: float
    parameters: int
    epochs: int
    train_images: int  # in an epoch
    first_step_seconds: float | None = None  # of fit, where a peer tells: what compiling takes

    @property
    def accuracy(self) -> float:
        """Returns the share of the test images that were recognised."""
        return 1 - self.test_errors / self.test_images

    @property
    def images_per_second(self) -> float:
        """Returns training images in a second of fit, to which validation belongs too."""
        return self.epochs * self.train_images / self.fit_seconds


@dataclass(frozen=True)
class Failure:
    """One run that has not."""

    seed: int
    command_seconds: float
    reason: str


@dataclass
class Result:
    """A contender and its runs."""

    name: str  # as `--only` takes it
    title: str
    ours: bool
    precision: str  # float32 or bfloat16: what its layers compute in
    training_multiply_adds: int  # of one image in a step of training
    trials: list[Trial] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def accuracy(self) -> Summary:
        """Returns the mean over seeds with its 95 % interval; of one seed, that of its images."""
        return summarize([trial.accuracy for trial in self.trials], self.trials[0].test_images)

    @property
    def command_seconds(self) -> float:
        """Returns how long all runs took together."""
        ended: list[Trial | Failure] = [*self.trials, *self.failures]
        return sum(run.command_seconds for run in ended)

    def median(self, name: str) -> float:
        """Returns the median over seeds of a value of `Trial`."""
        values: list[float] = [getattr(trial, name) for trial in self.trials]
        return statistics.median(values)

    @property
    def training_tflop(self) -> float:
        """Returns the operations of a whole training, in 10^12; see `training_multiply_adds`."""
        images = self.median("epochs") * self.median("train_images")
        return OPERATIONS * self.training_multiply_adds * images / 1e12

    @property
    def without_first_step(self) -> list[float]:
        """Returns the seconds of fit after the first step, of the runs that tell of it."""
        pairs = ((t.fit_seconds, t.first_step_seconds) for t in self.trials)
        return [fit - first for fit, first in pairs if first is not None]

    def peak_share(self, peaks: Mapping[str, float]) -> float:
        """Returns the share of the matmul peak of its precision that its training reached.

        Args:
            peaks: precision -> GFLOP/s.
        """
        multiply_adds = self.training_multiply_adds * self.median("images_per_second")
        return OPERATIONS * multiply_adds / (peaks[self.precision] * 1e9)


@dataclass
class Frontier:
    """One benchmark, as far as it has come."""

    machine: str
    versions: dict[str, str]
    quick: str  # how the runs were shortened; empty where they were not
    data: str  # mnist or digits
    seeds: int  # asked for
    minutes: float  # after which a contender starts no further seed
    results: list[Result]
    left_out: list[str] = field(default_factory=list)  # in words
    matmul_gflops: list[dict[str, float]] = field(default_factory=list)  # of each round

    @property
    def peaks(self) -> dict[str, float]:
        """Returns precision -> GFLOP/s, the best of all rounds."""
        return {key: max(one[key] for one in self.matmul_gflops) for key in self.matmul_gflops[0]}

    @property
    def ranking(self) -> list[Result]:
        """Returns what has finished runs, the fastest fit first."""
        finished = [result for result in self.results if result.trials]
        return sorted(finished, key=lambda result: result.median("fit_seconds"))

    @property
    def failed(self) -> bool:
        """Tells whether any run failed."""
        return any(result.failures for result in self.results)

    def compiling_words(self) -> list[str]:
        """Returns what fits would have taken without their first step, where peers tell of it."""
        return [
            f"{result.title}: {statistics.median(without):.1f} s without the first step of fit."
            for result in self.ranking
            if "compile" in result.name and (without := result.without_first_step)
        ]

    def first_to(self, target: float) -> Result | None:
        """Returns the fastest whose mean accuracy reaches a target; None where none does."""
        return next((one for one in self.ranking if one.accuracy.mean >= target), None)

    def least_to(self, target: float) -> Result | None:
        """Returns that with the fewest operations of those whose mean accuracy reaches a target."""
        reached = [one for one in self.ranking if one.accuracy.mean >= target]
        return min(reached, key=lambda one: one.training_tflop, default=None)

    def times_faster(self, result: Result) -> float | None:
        """Returns the reference's seconds of fit over this one's, the median of seeds both have.

        Of one seed both ran one after the other, so a slow hour of the machine slows both.
        """
        reference = {
            trial.seed: trial.fit_seconds
            for other in self.results
            if other.name == REFERENCE
            for trial in other.trials
        }
        ratios = [
            reference[trial.seed] / trial.fit_seconds
            for trial in result.trials
            if trial.seed in reference
        ]
        return statistics.median(ratios) if ratios else None


def record(frontier: Frontier) -> dict[str, Any]:
    """Returns everything as plain values for JSON: each run, and the figures of the table."""
    values = asdict(frontier)
    for entry, result in zip(values["results"], frontier.results, strict=True):
        if result.trials:
            entry["figures"] = {
                "accuracy": result.accuracy._asdict(),
                **{name: result.median(name) for name in MEDIANS},
                "training_tflop": result.training_tflop,
                "matmul_peak_share": result.peak_share(frontier.peaks),
                "times_faster": frontier.times_faster(result),
                "aim_times_faster": None if frontier.quick else AIM_TIMES.get(result.name),
            }
    return values | {"matmul_peak_gflops": frontier.peaks}


def from_record(values: Mapping[str, Any]) -> Frontier:
    """Returns what `record` was made of; the figures are computed anew."""
    names = Frontier.__dataclass_fields__
    kept = {name: values[name] for name in names if name != "results"}
    return Frontier(**kept, results=[_result(entry) for entry in values["results"]])


def _result(entry: Mapping[str, Any]) -> Result:
    names = ("name", "title", "ours", "precision", "training_multiply_adds")
    return Result(
        **{name: entry[name] for name in names},
        trials=[Trial(**trial) for trial in entry["trials"]],
        failures=[Failure(**failure) for failure in entry["failures"]],
    )


def undominated(results: Sequence[Result]) -> list[Result]:
    """Returns those that nothing beats in both, accuracy and seconds of fit; the fastest first.

    Args:
        results: the fastest fit first.
    """
    best: list[Result] = []
    for result in results:
        if not best or result.accuracy.mean > best[-1].accuracy.mean:
            best.append(result)
    return best
