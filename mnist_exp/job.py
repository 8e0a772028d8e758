"""A job of Hydra's: a composed config and a folder in, a run out.

`train` is the command: it checks everything before Hydra makes a folder, then lets Hydra run.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mnist_exp.errors import RequestError
from mnist_exp.hydra_loader import (
    CONFIG_NAME,
    VERSION_BASE,
    config_folder,
    register_resolvers,
    typed_flags,
    version_base,
)

if TYPE_CHECKING:
    from mnist_exp.config import Composer, Config
    from mnist_exp.story import Run
    from mnist_exp.sweeps.membership import Membership
    from mnist_exp.sweeps.sweep import Sweep

PLANNED = "mnist_exp_sweeps"  # in the `_target_` of the sweeper that runs a plan
# A launcher's worker process imports this module to find `Job`, and composes afterwards.
register_resolvers()


class Job:
    """The function that Hydra calls for each job.

    Where Hydra runs one job, `run` or `failure` keeps what came of it, because Hydra would print a
    traceback. The jobs of a sweep are told of it in `membership`, and return their results.
    """

    def __init__(self, *, show: bool = False, callbacks: Sequence[Any] = ()) -> None:
        """Has run nothing yet.

        Args:
            show: whether to print the result of a run to stdout.
            callbacks: Keras callbacks of a single run, called at epochs.
        """
        self.show, self.callbacks = show, callbacks
        self.run: Run | None = None
        self.failure: Exception | None = None
        self.sweep: Sweep | None = None
        self.membership: Membership | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the sweep itself behind when the job goes to another process."""
        return {**self.__dict__, "sweep": None, "run": None, "failure": None}

    def __call__(self, cfg: Any) -> Any:
        """Runs the experiment that Hydra composed, in the folder that Hydra made."""
        job = HydraConfig.get()
        with chdir(job.runtime.cwd):  # relative paths are the command's, with hydra.job.chdir too
            return self._run(cfg, job)

    def _run(self, cfg: Any, job: Any) -> Any:
        from mnist_exp import config

        job_dir, chosen = Path(job.runtime.output_dir), config.choices(job)
        typed = [*typed_flags(job.runtime), *config.task_overrides(job)]
        if self.membership is not None:
            from mnist_exp.sweeps import worker

            return worker.work(
                config.from_hydra(cfg),
                job_dir=job_dir,
                choices=chosen,
                overrides=typed,
                membership=self.membership,
            )
        try:
            from mnist_exp import experiment

            self.run = experiment.run(
                config.from_hydra(cfg),
                job_dir=job_dir,
                choices=chosen,
                overrides=typed,
                callbacks=self.callbacks,
            )
            if self.show:
                experiment.show(self.run)
        except Exception as failure:
            if job.mode != RunMode.RUN:
                raise
            self.failure = failure
        return None


def train(arguments: Sequence[str], *, dry_run: bool = False) -> None:
    """Does what a Hydra application does with its command line, checked first.

    Args:
        arguments: overrides and Hydra's flags.
        dry_run: of a sweep, whether to stop when its plan is printed.

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
    shown = flags.cfg or flags.info or flags.hydra_help or flags.shell_completion
    if dry_run and (shown or not _is_sweep(flags)):
        raise _not_planned()
    if shown:
        _show(arguments, flags)
    elif _is_sweep(flags):
        _sweep(arguments, flags, dry_run=dry_run)
    else:
        run(_composer(flags), flags.overrides, Job(show=True), configure_logging=True)


def run(
    composer: "Composer", overrides: Sequence[str], job: Job, *, configure_logging: bool
) -> "Run":
    """Composes one experiment, checks it, and runs it as Hydra runs a job.

    Args:
        composer: of its config.
        overrides: Hydra overrides.
        job: what runs it.
        configure_logging: whether Hydra sets Python's logging up, as the config has it.

    Raises:
        RequestError: the config is wrong, with all that is wrong in it, or the store, the data, the
            threads or a folder for the job cannot be had.
        ExperimentError: the run failed; its record says so. What a callback raises, it raises here.
    """
    cfg, config = composer.checked(overrides)
    preflight(config)
    with version_base(), _hydra_errors():
        callbacks = Callbacks(cfg)
        callbacks.on_run_start(config=cfg, config_name=composer.config_name)
        ended = run_job(
            hydra_context=HydraContext(config_loader=composer.loader, callbacks=callbacks),
            task_function=job,
            config=cfg,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            configure_logging=configure_logging,
        )
        callbacks.on_run_end(config=cfg, config_name=composer.config_name, job_return=ended)
    if job.failure is not None:
        raise job.failure
    assert job.run is not None
    return job.run


def _composer(flags: Namespace) -> "Composer":
    from mnist_exp.config import Composer

    return Composer(flags.config_dir, flags.config_name, flags.config_path)


def _is_sweep(flags: Namespace) -> bool:
    return flags.multirun or "hydra.mode=MULTIRUN" in flags.overrides


def _show(arguments: Sequence[str], flags: Namespace) -> None:
    """Lets Hydra print a config, or what it knows of it."""
    try:
        _hand_over(Job(), arguments, flags)
    except RequestError:  # there are more words for what is wrong
        if _is_sweep(flags):
            _planned(flags, dry_run=True)
        else:
            _composer(flags).checked(flags.overrides)
        raise


def _sweep(arguments: Sequence[str], flags: Namespace, *, dry_run: bool) -> None:
    """Lets Hydra run a sweep, which is planned before it starts."""
    job = Job(show=True)
    job.sweep = _planned(flags, dry_run=dry_run)
    if job.sweep is None and dry_run:
        raise _not_planned()
    if job.sweep is not None:
        click.echo(job.sweep.announcement, err=True)
        if dry_run:
            if job.sweep.preview:
                click.echo(job.sweep.preview)
            return
    if job.sweep is None or not job.sweep.complete:
        _hand_over(job, arguments, flags)
    if job.sweep is not None:
        job.sweep.conclude()


def _planned(flags: Namespace, *, dry_run: bool) -> "Sweep | None":
    """Returns the plan of a sweep; None where a sweeper of the user's own picks values."""
    from mnist_exp.config import SweepComposer
    from mnist_exp.sweeps import extras

    extras.require(flags.overrides)
    jobs = SweepComposer(_composer(flags), flags.overrides)
    if PLANNED not in jobs.hydra["sweeper"]["_target_"]:
        return None
    from mnist_exp.sweeps.sweep import Sweep

    return Sweep(jobs, dry_run=dry_run)


def _not_planned() -> RequestError:
    return RequestError(
        "Expected -m, and a sweeper that plans, with --dry-run. Received: a command whose "
        "jobs are not planned. `mnist-exp train --cfg job` shows the config of a run."
    )


def _hand_over(job: Job, arguments: Sequence[str], flags: Namespace) -> None:
    """Lets Hydra do what a command line asks for, as in an application of its own."""
    with _hydra_errors(), _command_line(arguments, flags.overrides):
        hydra.main(
            version_base=VERSION_BASE,
            config_path=str(config_folder()),
            config_name=CONFIG_NAME,
        )(job)()


@contextmanager
def _hydra_errors() -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise RequestError(" ".join(str(error).split())) from error
    except OSError as error:  # behind Hydra's errors, for a config that is missing is one of both
        raise RequestError(
            f"Expected a folder for the job that can be written. Received: {error}. Run the "
            "command from another folder, or choose one with hydra.run.dir=FOLDER."
        ) from error


def preflight(config: "Config") -> None:
    """Checks the rest that a single run needs, before Hydra makes a folder for it.

    Raises:
        RequestError: it is a search, or the store, the data or the threads cannot be had.
    """
    if config.search is not None:
        raise RequestError(
            f"Expected -m with search={config.search.name}, which makes many runs. Received: one "
            "run. Add -m, or leave search out."
        )
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
