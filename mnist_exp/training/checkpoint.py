"""The whole state of a training after an epoch, kept in one file that is replaced atomically."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mnist_exp.core import signals
from mnist_exp.core.errors import ExperimentError
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


_ARRAYS = ("weights", "optimizer", "evaluation_weights", "best_weights")


def save(file: Path, state: State) -> None:
    """Writes the state beside its place, then moves it there: a crash leaves the old one.

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
        with signals.held(), whole(file) as part, part.open("wb") as stream:
            np.savez(stream, allow_pickle=False, state=np.array(json.dumps(plain)), **arrays)
    except OSError as error:
        raise ExperimentError(
            f"Expected to write the checkpoint {file}. Received: {error.strerror or error}. Free "
            "some space; `mnist-exp resume` goes on from the checkpoint before."
        ) from error


def load(file: Path) -> State | None:
    """Reads a state back.

    Returns:
        The state, or None if there is no such file.

    Raises:
        ExperimentError: the file is broken.
    """
    if not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            state = State(**json.loads(str(stored["state"])))
            for name in _ARRAYS:
                count = sum(key.startswith(f"{name}.") for key in stored.files)
                setattr(state, name, [stored[f"{name}.{i}"] for i in range(count)])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ExperimentError(
            f"Expected {file} to be a whole checkpoint. Received a broken file ({error}). "
            "Delete it; the run then starts again from its first epoch."
        ) from error
    return state
