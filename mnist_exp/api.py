"""`mnist_exp.run`: what `mnist-exp train` does, as a function; also inside other Hydra apps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra._internal.callbacks import Callbacks
from hydra.core.utils import run_job
from hydra.types import HydraContext

from mnist_exp.config import Composer
from mnist_exp.hydra_loader import version_base
from mnist_exp.job import Job
from mnist_exp.story import Run

if TYPE_CHECKING:
    from keras.callbacks import Callback


def run(
    *overrides: str, config_dir: str | None = None, callbacks: "Sequence[Callback]" = ()
) -> Run:
    """Runs one experiment and records it, in a job folder like that of `mnist-exp train`.

    Args:
        *overrides: Hydra overrides, such as "model=cnn" or "training.epochs=2".
        config_dir: a folder of configs that is searched before the built-in ones.
        callbacks: Keras callbacks, called at the start and the end of training and of each epoch;
            of an ensemble, in each member. `resume` does not bring them back.

    Returns:
        The run: `run_id`, `metrics`, `config` and more.

    Raises:
        RequestError: the config is wrong, with all that is wrong in it; no folder was made.
        ExperimentError: the run failed; its record says so.

    Example:
        >>> run = mnist_exp.run("model=cnn", "training.epochs=2")
        >>> run.metrics["test/accuracy"]
    """
    composer = Composer(config_dir)
    cfg, _ = composer.checked(overrides)
    job = Job(callbacks=callbacks)
    with version_base():
        run_job(
            hydra_context=HydraContext(config_loader=composer.loader, callbacks=Callbacks(cfg)),
            task_function=job,
            config=cfg,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            configure_logging=False,
        )
    if job.failure is not None:
        raise job.failure
    assert job.run is not None
    return job.run
