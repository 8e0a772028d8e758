"""What a run leaves besides numbers: plots, predictions, models, a summary."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from mnist_exp.config.schema import Config
from mnist_exp.core import signals
from mnist_exp.core.digits import CLASSES
from mnist_exp.core.text import counted
from mnist_exp.data import Split, Splits
from mnist_exp.evaluation.metrics import Evaluation
from mnist_exp.evaluation.names import (
    FIT_SECONDS,
    PARAMETERS,
    TEST_ACCURACY,
    TEST_ACCURACY_HIGH,
    TEST_ACCURACY_LOW,
    TEST_ECE,
    TEST_ERRORS,
    TEST_LOSS,
    VAL_ACCURACY,
)
from mnist_exp.models import networks
from mnist_exp.models.export.onnx import write_onnx
from mnist_exp.runs import source_code
from mnist_exp.runs.command import train_command
from mnist_exp.runs.figures import Drawing, Subject
from mnist_exp.tracking.names import RUN_ID
from mnist_exp.tracking.read.evidence import ONNX, PREDICTIONS
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.training import build

_PREVIEW_DIGITS, _PREVIEW_DRAWS = 6, 8
_CONFUSION = "plots/confusion_matrix.png"


def begin_plots(
    config: Config,
    history: Mapping[str, Sequence[float]],
    result: Evaluation,
    splits: Splits,
) -> Drawing | None:
    """Has what training and testing gave drawn meanwhile; None where nobody wants it."""
    if not config.tracking.plots:
        return None
    originals, augmented = augmentation_preview(config, splits.train)
    return Drawing(Subject(history, result, splits.test.images, originals, augmented))


def record_plots(recorder: Recorder, drawing: Drawing) -> None:
    """Records the plots when they have been drawn."""
    for name, png in drawing.plots().items():
        recorder.artifact(f"plots/{name}.png", partial(Path.write_bytes, data=png))


def record_predictions(recorder: Recorder, result: Evaluation) -> None:
    """Keeps every probability on the test images, for paired tests between runs."""

    def write(file: Path) -> None:
        with signals.held():  # NumPy cannot close a ZIP file that is cut off
            np.savez_compressed(
                file,
                allow_pickle=False,
                probabilities=result.probabilities,
                predictions=result.predictions,
                labels=result.labels,
            )

    recorder.artifact(PREDICTIONS, write)


def record_models(
    recorder: Recorder, network: keras.Model, images: np.ndarray, *, threshold: float | None
) -> None:
    """Logs the model, raw pixels in and probabilities out, and its checked ONNX copy.

    Args:
        recorder: the run.
        network: in float32, images to logits.
        images: uint8 [N, 28, 28], for the check.
        threshold: the least confidence of an answer, for the ONNX file; None where unknown.
    """
    classifier = networks.classifier(network)
    # First, because MLflow takes half a second for it, which the export takes too.
    recorder.model(classifier, requirements=source_code.model_requirements())
    recorder.artifact(ONNX, lambda file: write_onnx(classifier, file, images, threshold=threshold))


def weights_digest(network: keras.Model) -> str:
    """Returns the SHA-256 over the shapes and bytes of a network's weights, in their order.

    Their names have no part in it: Keras numbers layers by what a process has built before.
    """
    digest = hashlib.sha256()
    for variable in network.weights:
        digest.update(f"{tuple(variable.shape)} {variable.dtype}\n".encode())
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def augmentation_preview(config: Config, train: Split) -> tuple[np.ndarray, np.ndarray]:
    """Returns a few training images, and what augmentation makes of each.

    Returns:
        uint8 [k, 28, 28], and float32 [k, m, 28, 28].
    """
    augment = build.augmentation(config)
    originals = train.images[:_PREVIEW_DIGITS]
    repeated = np.repeat(originals, _PREVIEW_DRAWS, axis=0)[..., None].astype(np.float32)
    targets = np.zeros((len(repeated), CLASSES), np.float32)
    changed, _ = augment(repeated, targets, np.array([config.seed, 0], np.int32))
    shape = (len(originals), _PREVIEW_DRAWS, *originals.shape[1:])
    return originals, np.asarray(changed).reshape(shape)


def description(
    config: Config,
    *,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    network: str,
    splits: Splits,
    overrides: Sequence[str],
) -> str:
    """Returns the summary on top of the run's page, as Markdown.

    Args:
        config: what was run.
        tags: the chosen option of each group.
        metrics: the final ones, and those of the chosen epoch.
        network: what was tested, in words.
        splits: the data.
        overrides: what was typed.
    """
    groups = ("data", "augmentation", "model", "optimizer", "schedule", "loss", "experiment")
    chosen = ", ".join(f"{group} `{tags[group]}`" for group in groups if group in tags)
    validation = (
        f"**{metrics[VAL_ACCURACY]:.2%}** on {len(splits.validation):,} validation images"
        if VAL_ACCURACY in metrics
        else "No validation images"
    )
    test = (
        f"**{metrics[TEST_ACCURACY]:.2%}** on {len(splits.test):,} test images: "
        f"{metrics[TEST_ERRORS]:.0f} wrong, 95 % interval {metrics[TEST_ACCURACY_LOW]:.2%} to "
        f"{metrics[TEST_ACCURACY_HIGH]:.2%}, loss {metrics[TEST_LOSS]:.4f}, "
        f"calibration error {metrics[TEST_ECE]:.4f}."
    )
    cost = (
        f"{metrics[PARAMETERS]:,.0f} parameters, {metrics[FIT_SECONDS]:.1f} s of "
        f"fit in {config.training.precision} on {counted(config.training.threads or 1, 'thread')}"
    )
    paragraphs = [
        config.description or "",
        test,
        f"`{train_command(overrides, config.training.threads)}`",
        f"{validation}; {network}. {cost}.",
        f"Seed {config.seed}; {chosen}.",
    ]
    if config.tracking.plots:
        # As MLflow's own pages fetch it; a path from the page, which may be below another address.
        picture = f"![Confusion matrix](get-artifact?path={_CONFUSION}&run_uuid={RUN_ID})"
        paragraphs.append(picture)
    return "\n\n".join(filter(None, paragraphs))
