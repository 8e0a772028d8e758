"""A job of Hydra's: a composed config and a folder in, a run out.

`train` is the command: it checks everything before Hydra makes a folder, then lets Hydra run.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.errors import ExperimentError, RequestError
from mnist_exp.hydra_loader import CONFIG_NAME, VERSION_BASE, config_folder, register_resolvers

if TYPE_CHECKING:
    from mnist_exp.experiment import Run

# A launcher's worker process imports this module to find `Job`, and composes afterwards.
register_resolvers()


class Job:
    """The function that Hydra calls for each job.

    Where Hydra runs one job, `run` or `failure` keeps what came of it, because Hydra would print a
    traceback. In a sweep a failure is printed and raised: Hydra counts it and goes on to the next.
    """

    def __init__(self, *, show: bool = False) -> None:
        """Has run nothing yet.

        Args:
            show: whether to print the result of each run to stdout.
        """
        self.show = show
        self.run: Run | None = None
        self.failure: Exception | None = None

    def __call__(self, cfg: Any) -> None:
        """Runs the experiment that Hydra composed, in the folder that Hydra made."""
        from mnist_exp import config

        job = HydraConfig.get()
        try:
            self.run = self._run(cfg, job)
        except Exception as failure:
            if job.mode == RunMode.RUN:
                self.failure = failure
                return
            overrides = " ".join(config.task_overrides(job)) or "no overrides"
            click.echo(f"Job {job.job.num} ({overrides}) failed. {failure}", err=True)
            raise ExperimentError(
                "A job of the sweep failed; its message stands above."
            ) from failure

    def _run(self, cfg: Any, job: Any) -> "Run":
        from pathlib import Path

        from mnist_exp import config, experiment

        run = experiment.run(
            config.from_hydra(cfg),
            job_dir=Path(job.runtime.output_dir),
            choices=config.choices(job),
            overrides=config.task_overrides(job),
        )
        if self.show:
            experiment.show(run)
        return run


def train(arguments: Sequence[str]) -> None:
    """Does what a Hydra application does with its command line, checked first.

    Args:
        arguments: overrides and Hydra's flags.

    Raises:
        RequestError: the command line or the config is wrong; no folder was made.
        ExperimentError: a job failed.
    """
    flags, unknown = get_args_parser().parse_known_intermixed_args(list(arguments))
    if unknown:
        raise RequestError(
            f"Expected overrides like KEY=VALUE, and Hydra's flags. Received: {' '.join(unknown)}. "
            "`mnist-exp train --help` names the flags."
        )
    if flags.experimental_rerun:
        raise RequestError(
            "Expected a config. Received: --experimental-rerun, whose file can run any code. "
            "Use `mnist-exp resume RUN`, or give the run's overrides again."
        )
    only_shows = flags.cfg or flags.info or flags.hydra_help or flags.shell_completion
    if not only_shows:
        _check(flags)
    job = Job(show=True)
    try:
        with _command_line(arguments, flags.overrides):
            hydra.main(
                version_base=VERSION_BASE,
                config_path=str(config_folder()),
                config_name=CONFIG_NAME,
            )(job)()
    except OSError as error:
        raise RequestError(
            f"Expected a folder for the job that can be written. Received: {error}. Run the "
            "command from another folder, or choose one with hydra.run.dir=FOLDER."
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        _check(flags)  # it finds more words for what is wrong
        raise RequestError(" ".join(str(error).split())) from error
    if job.failure is not None:
        raise job.failure


def _check(flags: Namespace) -> None:
    from mnist_exp.config import Composer

    composer = Composer(flags.config_dir, flags.config_name, flags.config_path)
    if flags.multirun or "hydra.mode=MULTIRUN" in flags.overrides:
        composer.check_sweep(flags.overrides)
    else:
        _, config = composer.checked(flags.overrides)
        from mnist_exp import origin  # a config error need not wait for it

        origin.preflight(config)


@contextmanager
def _command_line(arguments: Sequence[str], overrides: Sequence[str]) -> Iterator[None]:
    """Lets Hydra see the arguments, flags first, and leave its errors to us."""
    flags = list(reversed(arguments))
    for override in reversed(overrides):
        flags.remove(override)
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [sys.argv[0], *reversed(flags), *overrides]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
