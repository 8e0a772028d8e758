"""Measures a run's logged model again: on its own test images, on others, or on corrupted ones.

What it finds is recorded beside what the run measured, under `evaluate/<name>/`, never over it.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp import data
from mnist_exp.config import components
from mnist_exp.config.compose import compose
from mnist_exp.config.schema import Config
from mnist_exp.core.errors import ExperimentError, RequestError, nearest
from mnist_exp.core.terminal import say
from mnist_exp.evaluation.metrics import evaluate as measure
from mnist_exp.evaluation.names import TEST
from mnist_exp.runs import classifier, console
from mnist_exp.runs.pipeline import test_metrics
from mnist_exp.runs.recorded_config import as_recorded, placed
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.mlflow.attempt import Attempt, first_line
from mnist_exp.tracking.mlflow.store import Point
from mnist_exp.tracking.names import EVALUATED_TAG
from mnist_exp.tracking.read.evidence import Evidence
from mnist_exp.tracking.read.runs import Found, find, require_finished

if TYPE_CHECKING:
    from mnist_exp.models.networks import PredictLogits

CORRUPTED = "mnist_c"
DRAWN = "drawings"
_PICTURE = f"evaluate/{CORRUPTED}/robustness.png"


@dataclass(frozen=True)
class Subject:
    """A run whose model is measured again."""

    found: Found
    config: Config  # as it was recorded

    def predictor(self) -> "PredictLogits":
        """Loads the model: uint8 [N, 28, 28] -> logits float32 [N, 10].

        Raises:
            RequestError: the run has none.
            ExperimentError: it is damaged, or was altered since.
        """
        record = self.found.record
        model = classifier.load(record, self.config, self.found.store)
        from mnist_exp.models import networks

        return networks.predictor(networks.network_of(model))

    @property
    def name(self) -> str:
        """Of the run."""
        return self.found.record.name

    def record(self, name: str, digest: str, metrics: Mapping[str, float]) -> None:
        """Adds metrics to the run, under `evaluate/<name>/`, and prints where they are.

        Args:
            name: of the data.
            digest: SHA-256 of them, 64 hex digits.
            metrics: name -> value.

        Raises:
            ExperimentError: MLflow did not take them.
        """
        run_id, tag = self.found.record.run_id, f"{EVALUATED_TAG}{name}"
        before = self.found.record.tags.get(tag, digest)
        points = [
            Point(f"evaluate/{name}/{key}", value, events.now(), 0)
            for key, value in metrics.items()
        ]
        with Attempt() as attempt:
            self.found.store.set_tags(run_id, {tag: digest})
            self.found.store.log_metrics(run_id, points)
        if attempt.problem is not None:
            raise ExperimentError(
                f"Expected to record evaluate/{name}/* in run {self.name}. Received: "
                f"{first_line(attempt.problem)}. What was measured is printed above; give the "
                "command again to record it."
            ) from attempt.problem
        others = "" if before == digest else ", after what was measured there on other data"
        say(f"recorded as evaluate/{name}/* in run {run_id}{others}")

    def attach(self, path: str, write: Callable[[Path], object]) -> None:
        """Adds an artifact to the run, beside those whose digests it recorded at its end.

        Args:
            path: where it goes, with slashes.
            write: is called with the file to write.

        Raises:
            ExperimentError: it could not be written or sent.
        """
        with tempfile.TemporaryDirectory() as folder, Attempt() as attempt:
            file = Path(folder, Path(path).name)
            write(file)
            self.found.store.log_artifact(self.found.record.run_id, file, path)
        if attempt.problem is not None:
            raise ExperimentError(
                f"Expected to add the artifact {path} to run {self.name}. Received: "
                f"{first_line(attempt.problem)}. The metrics are recorded; give the command again "
                "for the artifact."
            ) from attempt.problem
        say(f"drawn in its artifact {path}")


def evaluate(selector: str, name: str | None, overrides: Sequence[str] = ()) -> None:
    """Measures a run's model, records the result in the run and prints it.

    Args:
        selector: what names the run.
        name: an option of the group `data`, or a key of `MEASURES`; None takes the run's own data.
        overrides: where the data are, such as `data.root=FOLDER`.

    Raises:
        RequestError: there is no such run or name, it is not finished, or the data are not there.
        ExperimentError: the data or the model are broken.
    """
    names = [*data.names(), *MEASURES]
    if name is not None and name not in names:
        raise RequestError(
            f"Expected --data to be one of {', '.join(names)}. Received: {name}."
            f"{nearest(name, names)}"
        )
    if overrides and name is None:
        group, _, option = overrides[0].partition("=")
        example = f"--data {option}" if group == "data" and option in names else "--data idx"
        raise RequestError(
            f"Expected --data NAME before data.root=FOLDER. Received: {' '.join(overrides)}. "
            f"Name the data, such as {example}."
        )
    for text in overrides:
        key, _, value = text.partition("=")
        places = key == "data.root" and value
        if not places and (name in MEASURES or not _matters(key)):
            raise RequestError(
                f"Expected no override but one of where the data of {name} are, such as "
                f"data.root=FOLDER. Received: {text}. Leave it out."
            )
    found = find(selector)
    require_finished(found.record)
    recorded = as_recorded(Evidence(found.record, found.store.uri))
    subject = Subject(found, recorded)
    if name is not None and name in MEASURES:
        MEASURES[name](subject, overrides)
    else:
        _test(subject, _named_data(name, overrides) if name else _own_data(subject))


def _test(subject: Subject, splits: data.Splits) -> None:
    """Measures what a run measures at its end, on test images."""
    name = splits.name
    predict = subject.predictor()
    result = measure(predict(splits.test.images), splits.test.labels)
    scores = components.scores(subject.config.metrics)
    metrics = test_metrics(result) | result.scores(TEST, scores)
    console.show_result(f"{subject.name} on {len(splits.test):,} test images of {name}", metrics)
    named = {key.removeprefix("test/"): value for key, value in metrics.items()}
    subject.record(name, splits.digest, named)


def _corrupted(subject: Subject, overrides: Sequence[str]) -> None:
    """Measures a model on the run's own test images, corrupted in many ways."""
    splits = _own_data(subject, overrides)
    predict = subject.predictor()
    from mnist_exp.evaluation import robustness

    images, labels = splits.test.images, splits.test.labels
    watched = partial(console.watched, description="corrupted sets")
    found = robustness.measure(predict, images, labels, watched=watched)
    console.show_robustness(
        f"{subject.name} on {len(labels):,} test images of {splits.name}, corrupted in "
        f"{len(found.corruptions)} ways",
        found,
    )
    subject.record(CORRUPTED, splits.digest, robustness.metrics(found))
    from mnist_exp import plots
    from mnist_exp.plots.robustness import robustness as picture

    subject.attach(_PICTURE, partial(plots.save, picture(found)))


def _drawn(subject: Subject, overrides: Sequence[str]) -> None:
    """Measures the ONNX model on drawings that were filed, from the image file on."""
    from mnist_exp.evaluation.drawings import measure, show
    from mnist_exp.inference import drawings
    from mnist_exp.runs.recognizer import recognizer

    values = [text.partition("=")[2] for text in overrides]
    folder = Path(values[-1]) if values else drawings.FOLDER
    labelled = drawings.require(folder)
    record = subject.found.record
    reader = recognizer(record, subject.found.store.uri)
    watched = partial(console.watched, description="drawings")
    found = measure(reader, labelled, watched=watched)
    show(f"{subject.name} on the drawings in {folder}, {len(labelled):,} in all", found)
    subject.record(DRAWN, drawings.digest(labelled), found.metrics())


def _matters(key: str) -> bool:
    """Tells whether a key of the config has a part in which test images there are."""
    return key.startswith("data.") and key.removeprefix("data.") not in data.DIVISION


Measure = Callable[[Subject, Sequence[str]], None]
# What --data takes besides data sets: name -> what measures, records and prints.
MEASURES: dict[str, Measure] = {CORRUPTED: _corrupted, DRAWN: _drawn}


def _named_data(name: str, overrides: Sequence[str]) -> data.Splits:
    return _load(compose([f"data={name}", *overrides]).config)


def _own_data(subject: Subject, overrides: Sequence[str] = ()) -> data.Splits:
    """Loads the data that a run was tested on.

    Args:
        subject: the run.
        overrides: where the data lie elsewhere now.

    Raises:
        RequestError: these are other data.
    """
    evidence = Evidence(subject.found.record, subject.found.store.uri)
    splits = _load(placed(evidence, subject.config, overrides))
    classifier.require_own_data(
        subject.found.record,
        splits,
        f"`--data {splits.name}` measures on these; with --data {CORRUPTED}, data.root=FOLDER may "
        "say where the run's own are.",
    )
    return splits


def _load(config: Config) -> data.Splits:
    return data.load_whole(config.data.name, **config.data.options())
