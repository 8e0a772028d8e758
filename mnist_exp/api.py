"""`mnist_exp.run`: what `mnist-exp train` does, as a function; also inside other Hydra apps."""

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.types import RunMode

from mnist_exp.config.compose import Composer
from mnist_exp.core import tensorflow_memory
from mnist_exp.core.errors import RequestError
from mnist_exp.core.files import require_working_folder
from mnist_exp.core.terminal import say
from mnist_exp.core.text import few
from mnist_exp.runs import job
from mnist_exp.runs.pipeline import Run

if TYPE_CHECKING:
    from keras.callbacks import Callback

# Keras's callbacks that reach into `Model.fit`, which does not train here -> what does their work.
INSTEAD = {
    "BackupAndRestore": "`mnist-exp resume RUN` goes on from the last epoch",
    "LearningRateScheduler": "choose another schedule, such as schedule=cosine",
    "ReduceLROnPlateau": "choose another schedule, such as schedule=cosine",
    "SwapEMAWeights": "set training.weight_averaging",
    "TensorBoard": "MLflow has the curves: `mnist-exp ui`",
    "TerminateOnNaN": "training.early_stopping_patience=1 ends a run that gets no better",
}
# What Keras's own fit calls, and this training does not: its steps are no Python.
_UNCALLED = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)

_one_at_a_time = threading.RLock()  # a callback may run another


def run(
    *overrides: str,
    config_dir: str | os.PathLike[str] | None = None,
    callbacks: "Sequence[Callback]" = (),
) -> Run:
    """Runs one experiment and records it, in a job folder like that of `mnist-exp train`.

    Sweeps are for the command line, since their jobs are processes. Of several threads one runs at
    a time: Hydra's state is that of the process.

    Args:
        *overrides: Hydra overrides, such as "model=cnn" or "training.epochs=2".
        config_dir: a folder of configs, searched after the built-in ones: it adds options.
        callbacks: Keras callbacks, called at the start and the end of training and of each epoch;
            of an ensemble, in each member. `resume` does not bring them back. Those that reach
            into Keras's own fit are not taken.

    Returns:
        The run: `run_id`, `metrics`, `config` and more.

    Raises:
        RequestError: the config or a callback is wrong, with all that is wrong in the config, or
            the store, the data or the threads cannot be had; no folder was made.
        ExperimentError: the run failed; its record says so. What a callback raises, it raises here.

    Examples:
        >>> run = mnist_exp.run("model=cnn", "training.epochs=2")
        >>> run.metrics["test/accuracy"]
    """
    require_working_folder()
    _check_overrides(overrides)
    _check_callbacks(callbacks)
    with _one_at_a_time:
        composer = Composer(config_dir)
        cfg, config = composer.checked(overrides)
        if cfg.hydra.mode != RunMode.RUN:
            raise RequestError(
                "Expected the config of one run. Received: one with hydra.mode=MULTIRUN, a sweep. "
                "Sweeps are for the command line; with 'hydra.mode=RUN' its first values run here."
            )
        own = job.Job(callbacks=callbacks)
        try:
            return job.run(composer, cfg, config, own, configure_logging=False)
        finally:
            tensorflow_memory.forget()


def _check_overrides(overrides: Sequence[object]) -> None:
    for override in overrides:
        if not isinstance(override, str) or override.startswith("-"):
            raise RequestError(
                "Expected overrides, each a string like 'seed=1'. Received: "
                f"{override!r}. A list goes in with a star, run(*overrides); Hydra's flags, and -m "
                "with its sweeps, are for the command line."
            )


def _check_callbacks(callbacks: object) -> None:
    if isinstance(callbacks, list | tuple) and not callbacks:
        return  # Keras need not be imported
    from keras.callbacks import Callback

    if not isinstance(callbacks, list | tuple):
        raise RequestError(
            f"Expected a list of callbacks. Received: {callbacks!r}. Write callbacks=[...]."
        )
    for callback in callbacks:
        kind = type(callback).__name__
        if not isinstance(callback, Callback):
            raise RequestError(
                "Expected a list of objects of keras.callbacks.Callback. Received: "
                f"{callback!r} in it. Give objects, not classes or functions."
            )
        if getattr(callback, "restore_best_weights", False):
            raise RequestError(
                "Expected callbacks that watch epochs. Received: a callback that puts back the "
                f"best weights, {kind}(restore_best_weights=True). Leave that to "
                "training.best_weights=true, which is the best epoch on validation."
            )
        of_keras = _is_of_keras(type(callback))
        if of_keras and kind in INSTEAD:
            raise RequestError(
                "Expected callbacks that watch epochs. Received: one that reaches into Keras's "
                f"own fit, {kind}. Leave it out; {INSTEAD[kind]}."
            )
        if of_keras and getattr(callback, "save_freq", "epoch") != "epoch":
            raise RequestError(
                "Expected callbacks that watch epochs. Received: one that counts steps, "
                f"{kind}(save_freq={callback.save_freq!r}). Give it save_freq='epoch'."
            )
        uncalled = [name for name in _UNCALLED if not _is_of_keras(getattr(callback, name))]
        if uncalled:
            say(
                f"Warning: {few(uncalled)} of the callback {kind} will not be called: callbacks "
                "are called at the start and the end of training and of each epoch alone.",
                error=True,
            )


def _is_of_keras(thing: object) -> bool:
    """Whether a class or a method is defined by Keras itself."""
    return getattr(thing, "__module__", "").startswith("keras.")
