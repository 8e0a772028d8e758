"""What reads images with the ONNX model that a run recorded."""

from mnist_exp.evaluation.names import TEST_ACCURACY, TEST_ACCURACY_HIGH, TEST_ACCURACY_LOW
from mnist_exp.inference import Model, Recognizer
from mnist_exp.tracking.read.evidence import Evidence
from mnist_exp.tracking.read.runs import find, require_finished
from mnist_exp.tracking.records import RunRecord


def recognizer_of(selector: str) -> tuple[Recognizer, RunRecord]:
    """Returns what reads images with a run's model, and the run.

    Args:
        selector: what names the run.

    Raises:
        RequestError: there is no such run, it did not finish, or its ONNX model was altered.
        ExperimentError: the model cannot be loaded.
    """
    found = find(selector)
    return recognizer(found.record, found.store.uri), found.record


def recognizer(run: RunRecord, uri: str) -> Recognizer:
    """Returns what reads images with the model of a run that was found in a store.

    Raises:
        RequestError: it did not finish, or its ONNX model was altered.
        ExperimentError: the model cannot be loaded.
    """
    require_finished(run)
    return Recognizer(Model(Evidence(run, uri).onnx))


def caption(run: RunRecord) -> str:
    """Returns how well a run does on its test images, in words; empty where it was not tested."""
    metrics = run.metrics
    if not {TEST_ACCURACY, TEST_ACCURACY_LOW, TEST_ACCURACY_HIGH} <= metrics.keys():
        return ""
    accuracy, low, high = (metrics[f"test/accuracy{end}"] for end in ("", "_low", "_high"))
    return f"{accuracy:.2%} right on its test images (95 % interval {low:.2%} to {high:.2%})"
