"""The whole state of a training after an epoch, in a file that is replaced atomically.

Its SHA-256 goes with it, and the one before stays, so that damage is noticed and costs an epoch.
"""

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from mnist_exp.core import signals
from mnist_exp.core.arrays import read as read_arrays
from mnist_exp.core.errors import ExperimentError, reason_of
from mnist_exp.core.files import whole

Arrays = list[np.ndarray]


@dataclass
class State:
    """What a training needs to go on as if it had never stopped."""

    epoch: int = 0  # epochs done
    seconds: float = 0.0  # of fit so far
    weights: Arrays = field(default_factory=list)  # of the network, as it trains
    optimizer: Arrays = field(default_factory=list)  # every variable
    evaluation_weights: Arrays = field(default_factory=list)  # the averaged ones, where there are
    best_weights: Arrays = field(default_factory=list)  # by validation, so far
    best_epoch: int = 0  # 0 before the first validation
    history: dict[str, list[float]] = field(default_factory=dict)  # metric -> a value an epoch

    def chosen(self, *, best: bool) -> tuple[int, Arrays]:
        """Returns the epoch whose weights count when training is over, and these weights.

        Args:
            best: whether it is the best by validation, where there is any, and not the last.
        """
        if best and self.best_epoch:
            return self.best_epoch, self.best_weights
        return self.epoch, self.evaluation_weights


class Loaded(NamedTuple):
    """What was found of a training."""

    state: State | None  # None where it has no checkpoint
    damage: str = ""  # what is wrong with the newest, in a sentence, where an older one is used

    @property
    def epochs(self) -> dict[int, dict[str, float]]:
        """The metrics of each epoch that is done, 1 for the first."""
        history = {} if self.state is None else self.state.history
        epochs = max(map(len, history.values()), default=0)
        return {
            epoch: {name: values[epoch - 1] for name, values in history.items()}
            for epoch in range(1, epochs + 1)
        }


@dataclass
class _Plain:
    """What of a state is no array."""

    epoch: int
    seconds: float
    best_epoch: int
    history: dict[str, list[float]]


_PLAIN = TypeAdapter(_Plain)
_ARRAYS = ("weights", "optimizer", "evaluation_weights", "best_weights")
_DIGEST_BYTES = 32


def previous(file: Path) -> Path:
    """Returns where the checkpoint before that of `file` is kept."""
    return file.with_stem("previous")


def save(file: Path, state: State) -> None:
    """Writes the state, and its SHA-256 behind it; what was in its place becomes `previous`.

    A crash leaves at least the newest that was there.

    Raises:
        ExperimentError: it cannot be written.
    """
    plain: dict[str, Any] = {
        name: value for name, value in vars(state).items() if name not in _ARRAYS
    }
    arrays = {
        f"{name}.{i}": array for name in _ARRAYS for i, array in enumerate(getattr(state, name))
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # A stop in the middle would leave NumPy a ZIP file that it cannot close, or waste an epoch.
        with signals.held(), whole(file, lasting=False) as part:
            with part.open("w+b") as stream:
                np.savez(stream, allow_pickle=False, state=np.array(json.dumps(plain)), **arrays)
                stream.seek(0)
                stream.write(hashlib.file_digest(stream, "sha256").digest())  # it read to the end
                stream.flush()
                os.fsync(stream.fileno())  # before the one of two epochs ago goes
            if file.exists():
                _keep(file)
    except OSError as error:
        remedy = "Free some space; `mnist-exp resume` goes on from the checkpoint before."
        if isinstance(error, FileNotFoundError):  # the run is at work in it
            remedy = "Its folder was deleted or moved; put it back and use `mnist-exp resume`."
        received = error.strerror or error
        raise ExperimentError(
            f"Expected to write the checkpoint {file}. Received: {received}. {remedy}"
        ) from error


def _keep(file: Path) -> None:
    """Makes a checkpoint the one before, and leaves it in its place until the next is there."""
    previous(file).unlink(missing_ok=True)
    try:
        os.link(file, previous(file))
    except OSError:  # a file system without links: a crash now leaves it as the one before
        file.replace(previous(file))


def load(file: Path) -> Loaded:
    """Reads a state back; where it is damaged, the one before.

    Raises:
        ExperimentError: it is damaged, and there is none before it that is whole.
    """
    damage = []
    for each in (file, previous(file)):
        try:
            state = _read(each)
        except FileNotFoundError:  # a crash between two renames leaves the older one only
            continue
        except (OSError, ValueError) as error:
            damage.append(f"{each} ({error})")
            continue
        return Loaded(state, _instead(state, damage[0]) if damage else "")
    if not damage:
        return Loaded(None)
    raise ExperimentError(
        f"Expected {file} to be a whole checkpoint. Received damage, and no whole one before it: "
        f"{', '.join(damage)}. Delete {file.parent}; what it held then has to be trained again."
    )


def _instead(state: State, damaged: str) -> str:
    used = f"the one before it is used, of epoch {state.epoch}"
    return f"The checkpoint {damaged} is damaged; {used}."


def _read(file: Path) -> State:
    """Returns the state in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what was written.
    """
    data = file.read_bytes()
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its SHA-256 is not that of what was written")
    try:
        stored = read_arrays(io.BytesIO(content), most_bytes=len(content))
        plain = _PLAIN.validate_json(str(stored["state"]))
        state = State(**vars(plain))
        for name in _ARRAYS:
            count = sum(key.startswith(f"{name}.") for key in stored)
            setattr(state, name, [stored[f"{name}.{i}"] for i in range(count)])
    except (KeyError, ValueError) as error:
        raise ValueError(f"other content: {reason_of(error)}") from error
    if any(len(values) != state.epoch for values in state.history.values()):
        raise ValueError(f"other content: a history of other than {state.epoch} epochs")
    return state
