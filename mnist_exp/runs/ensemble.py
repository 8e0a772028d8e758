"""Several networks of one config for one model, which averages their probabilities.

Each member is a run of its own, the one that `mnist-exp train` with its seed would be; it lies in
the job folder of the ensemble. One that has finished keeps its checkpoint until the ensemble has
too, and gives its weights from there: so a resumed ensemble trains no member twice.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_exp import data
from mnist_exp.config import components
from mnist_exp.config.fields import ACCURACY
from mnist_exp.config.schema import Config
from mnist_exp.core import tensorflow_memory
from mnist_exp.core.errors import ExperimentError
from mnist_exp.evaluation.metrics import evaluate
from mnist_exp.evaluation.names import VAL_LOSS, VALIDATION, chosen
from mnist_exp.runs import console
from mnist_exp.runs.command import key_of
from mnist_exp.runs.fit import CHECKPOINT, Trained
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.names import WEIGHTS_TAG
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.training import checkpoint

if TYPE_CHECKING:
    import keras

FOLDER = "members"
_OWN_KEYS = ("seed", "data.split_seed", "ensemble.members")


@dataclass(frozen=True)
class Member:
    """One of the networks, as a run."""

    number: int  # from 0
    name: str
    config: Config
    overrides: tuple[str, ...]  # that would make this config
    job_dir: Path

    @property
    def begun(self) -> bool:
        """Whether its run has a record."""
        return (self.job_dir / journal.FILE_NAME).exists()

    @property
    def finished(self) -> bool:
        """Whether its run has finished."""
        return self.begun and salvaged(self.job_dir).outcome == "finished"

    @property
    def whole(self) -> bool:
        """Whether the newest of its checkpoints, which has its weights, can be read."""
        found = checkpoint.load(self.job_dir / CHECKPOINT)
        return found.state is not None and not found.damage

    @property
    def seconds(self) -> float:
        """How long it has been trained so far."""
        state = checkpoint.load(self.job_dir / CHECKPOINT).state
        return 0.0 if state is None else state.seconds


def members(recorder: Recorder, config: Config, overrides: Sequence[str]) -> list[Member]:
    """Returns the members of an ensemble; no two ensembles of different seeds share one.

    Args:
        recorder: of the ensemble.
        config: of the ensemble, settled.
        overrides: what was typed for it.
    """
    first = config.seed * config.ensemble.members
    return [
        _member(recorder, config, overrides, number, first + number)
        for number in range(config.ensemble.members)
    ]


def _member(
    recorder: Recorder, config: Config, overrides: Sequence[str], number: int, seed: int
) -> Member:
    # None may be trained on the images that the ensemble is validated on.
    split_seed = config.seed if config.data.split_seed is None else config.data.split_seed
    own = {
        "seed": seed,
        "data": config.data.model_copy(update={"split_seed": split_seed}),
        "ensemble": config.ensemble.model_copy(update={"members": 1}),
        "sweep": config.sweep.model_copy(update={"name": None, "job": None}),
        "search": None,
    }
    typed = [text for text in overrides if key_of(text) not in _OWN_KEYS]
    values = (seed, split_seed, 1)
    added = [f"{key}={value}" for key, value in zip(_OWN_KEYS, values, strict=True)]
    return Member(
        number=number,
        name=f"{recorder.started.run_name}-{number}",
        config=config.model_copy(update=own),
        overrides=(*typed, *added),
        job_dir=recorder.job_dir / FOLDER / str(number),
    )


def train(
    those: Sequence[Member],
    run: Callable[[Member], Any],
    splits: data.Splits,
    reporter: console.Reporter,
) -> Trained:
    """Trains the members that have not finished, one after the other, and puts all together.

    One that has, and whose weights were lost since, goes on from the checkpoint before.

    Args:
        those: the members.
        run: runs one, or goes on with it, to its end.
        splits: the data, of which no member has seen the validation and the test images.
        reporter: tells a person of it.

    Returns:
        The ensemble.

    Raises:
        ExperimentError: a member failed, or its weights are lost.
    """
    earlier_seconds = sum(member.seconds for member in those)
    for member in those:
        what = f"member {member.number + 1} of {len(those)}, seed {member.config.seed}"
        if member.finished and member.whole:
            reporter.say(f"{what}: has finished")
            continue
        reporter.say(f"{what}: goes on again for its weights" if member.finished else what)
        run(member)
        tensorflow_memory.forget()
    from mnist_exp.models import networks

    network = networks.ensemble([_network(member) for member in those])
    predict = networks.predictor(network)
    return Trained(
        network=network,
        predict=predict,
        words=f"probabilities averaged over {len(those)} networks",
        choice=_validation(predict, splits.validation, those[0].config.metrics),
        reached={},
        history={},
        seconds=sum(member.seconds for member in those),
        earlier_seconds=earlier_seconds,
    )


def _network(member: Member) -> "keras.Model":
    """Returns a member's network with the weights that its training chose."""
    from mnist_exp.runs import artifacts
    from mnist_exp.training import build

    file = member.job_dir / CHECKPOINT
    state = checkpoint.load(file).state
    received = "no such file"
    if state is not None:
        network = build.network(member.config)
        network.set_weights(state.chosen(best=member.config.training.best_weights)[1])
        received = f"weights with SHA-256 {artifacts.weights_digest(network)}"
        if received.endswith(_recorded_weights(member)):
            return network
    raise ExperimentError(
        f"Expected the weights of {member.name} in {file}, with SHA-256 "
        f"{_recorded_weights(member)}. Received: {received}. Delete {member.job_dir}; "
        "`mnist-exp resume` then trains this member again."
    )


def _recorded_weights(member: Member) -> str:
    return salvaged(member.job_dir).tags.get(WEIGHTS_TAG, "that its journal has lost")


def _validation(predict: Any, validation: data.Split, metrics: Sequence[str]) -> dict[str, float]:
    """Measures the ensemble on images that no member was trained on, where there are any."""
    if not len(validation):
        return {}
    result = evaluate(predict(validation.images), validation.labels)
    scores = result.scores("", components.scores(metrics)) | {ACCURACY: result.accuracy}
    return {
        VAL_LOSS: result.loss,
        **{f"{VALIDATION}{name}": value for name, value in scores.items()},
        **{chosen(name): value for name, value in scores.items()},
    }


def latest(job_dir: Path) -> Path | None:
    """Returns the job folder of the member that an ensemble is at; None before the first."""
    return max(_folders(job_dir), key=lambda folder: int(folder.name), default=None)


def drop_checkpoints(job_dir: Path) -> None:
    """Removes what the members of an ensemble have kept for it."""
    for folder in _folders(job_dir):
        shutil.rmtree((folder / CHECKPOINT).parent, ignore_errors=True)


def _folders(job_dir: Path) -> Iterator[Path]:
    return (file.parent for file in job_dir.glob(f"{FOLDER}/[0-9]*/{journal.FILE_NAME}"))
