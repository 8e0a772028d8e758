"""One run of a config that Hydra composed, as a job of Hydra's, in a folder that Hydra makes."""

from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log, run_job
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from mnist_exp.config import places
from mnist_exp.config.hydra import given_flags, hydra_errors, register_resolvers, version_base
from mnist_exp.config.hydra_internal import Callbacks
from mnist_exp.core.errors import RequestError
from mnist_exp.core.text import without_password

if TYPE_CHECKING:
    from mnist_exp.config.compose import Composer
    from mnist_exp.config.schema import Config
    from mnist_exp.runs.pipeline import Run

# A launcher's worker process imports this module to find `Job`, and composes afterwards.
register_resolvers()


class Job:
    """The function that Hydra calls for a run.

    Where Hydra runs one job, `run` or `failure` keeps what came of it, because Hydra would print a
    traceback.
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets a job go to other processes, with the user's own components and without a result."""
        from mnist_exp.config import sources  # the help page need not wait for it

        return _restored, (self.show, self.callbacks, sources.loaded(), places.flags)

    def __call__(self, cfg: Any) -> None:
        """Runs the experiment that Hydra composed, in the folder that Hydra made."""
        job = HydraConfig.get()
        with chdir(job.runtime.cwd):  # relative paths are the command's, with hydra.job.chdir too
            try:
                from mnist_exp.runs import lifecycle

                self.run = lifecycle.run(**told(cfg, job), callbacks=self.callbacks)
                if self.show:
                    lifecycle.show(self.run)
            except Exception as failure:
                if job.mode != RunMode.RUN:
                    raise
                self.failure = failure


def _restored(
    show: bool,
    callbacks: Sequence[Any],
    components: Sequence[Any],
    flags: Sequence[str],
) -> Job:
    from mnist_exp.config import sources

    sources.adopt(components)  # before a config is composed
    places.flags[:] = flags
    return Job(show=show, callbacks=callbacks)


def told(cfg: Any, job: Any) -> dict[str, Any]:
    """Returns what Hydra tells a job: its config, folder, chosen options, and what was typed.

    Hydra's own files in the folder lose the password of a tracking server.

    Args:
        cfg: the job's, as Hydra composed it.
        job: `HydraConfig` of the job.

    Raises:
        ConfigError: the config does not fit the schema.
    """
    from mnist_exp.config.compose import choices, from_hydra, task_overrides

    job_dir = Path(job.runtime.output_dir)
    for file in (job_dir / (job.output_subdir or ".hydra")).glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        if text != without_password(text):
            file.write_text(without_password(text), encoding="utf-8")
    return {
        "config": from_hydra(cfg),
        "job_dir": job_dir,
        "choices": choices(job),
        "hydra_callbacks": OmegaConf.to_container(job.callbacks),
        "overrides": [*given_flags(job), *task_overrides(job)],
    }


def run(
    composer: "Composer", cfg: Any, config: "Config", job: Job, *, configure_logging: bool
) -> "Run":
    """Runs one experiment as Hydra runs a job.

    Args:
        composer: of its config.
        cfg: the experiment, as `composer.checked` has it.
        config: the same, checked.
        job: what runs it.
        configure_logging: whether Hydra sets Python's logging up, as the config has it.

    Raises:
        RequestError: the store, the data, the threads or a folder for the job cannot be had.
        ExperimentError: the run failed; its record says so. What a callback raises, it raises here.
    """
    preflight(config)
    from mnist_exp.runs import lifecycle

    lifecycle.require_free(Path(cfg.hydra.run.dir))
    with version_base(), hydra_errors():
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


def multirun(composer: "Composer", overrides: Sequence[str], job: Callable[..., Any]) -> None:
    """Lets the sweeper that a config names run many jobs, as Hydra does.

    Args:
        composer: of their configs.
        overrides: Hydra overrides, with values to sweep over among them.
        job: what the sweeper has its launcher call for each job; or a sweep, which is called once.

    Raises:
        RequestError: Hydra refuses the config, or a folder for a job cannot be had.
        Exception: whatever the sweeper raises.
    """
    from mnist_exp.config.compose import task_overrides

    with version_base(), hydra_errors():
        cfg = composer.loader.load_configuration(
            composer.config_name, [*overrides, "hydra.mode=MULTIRUN"], run_mode=RunMode.MULTIRUN
        )
        configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
        callbacks = Callbacks(cfg)
        callbacks.on_multirun_start(config=cfg, config_name=composer.config_name)
        context = HydraContext(config_loader=composer.loader, callbacks=callbacks)
        plugins = Plugins.instance()
        sweeper = plugins.instantiate_sweeper(config=cfg, hydra_context=context, task_function=job)
        sweeper.sweep(arguments=task_overrides(cfg.hydra))
        callbacks.on_multirun_end(config=cfg, config_name=composer.config_name)


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
    from mnist_exp import data
    from mnist_exp.runs import environment  # a config error need not wait for it

    environment.preflight(config)
    data.require(config.data.name, **config.data.options())
