"""`mnist-exp train`: one run, a sweep, or what Hydra shows of a config."""

import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click
import hydra
from hydra.types import RunMode

from mnist_exp.config.hydra import (
    CONFIG_NAME,
    SLIPS,
    config_folder,
    hydra_errors,
    in_place_of_conf,
)
from mnist_exp.config.hydra_internal import VERSION_BASE, get_args_parser
from mnist_exp.config.quoting import nested_in_quotes, readable
from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.runs.job import Job, multirun, run

if TYPE_CHECKING:
    from mnist_exp.config.compose import Composer
    from mnist_exp.config.schema import Config
    from mnist_exp.sweeps.sweep import Sweep

_ONE_DASH = re.compile(r"-\w{3}[\w.]*=")  # no flag of so many letters has one dash
PLANNED = "mnist_exp_sweeps"  # in the `_target_` of the sweeper that runs a plan


def train(arguments: Sequence[str], *, dry_run: bool = False) -> None:
    """Does what a Hydra application does with its command line, checked first.

    Args:
        arguments: overrides and Hydra's flags.
        dry_run: of a sweep, whether to stop when its plan is printed.

    Raises:
        RequestError: the command line or the config is wrong; no folder was made.
        ExperimentError: a job failed.
    """
    parser: Any = get_args_parser()
    parser.allow_abbrev = False  # --experiment is no --experimental-rerun
    dashed = next(filter(_ONE_DASH.match, arguments), "")

    def refuse(message: str) -> NoReturn:  # its own prints all flags before what is wrong
        _refuse_flags(dashed or message, _meant(dashed) if dashed else "")

    parser.error = refuse
    flags, unknown = parser.parse_known_intermixed_args(list(arguments))
    if unknown:
        _refuse_flags(" ".join(unknown), _meant(unknown[0]))
    if flags.multirun and flags.cfg:
        raise RequestError(
            "Expected --cfg without -m: it shows the config of one run. Received: both. --dry-run "
            "shows the jobs of a sweep."
        )
    if (flags.package or flags.resolve) and not flags.cfg:
        raise RequestError(
            "Expected --cfg job, hydra or all with --package and --resolve, which say how a config "
            "is shown. Received: no --cfg. Add it, or leave them out."
        )
    if flags.experimental_rerun:
        raise RequestError(
            "Expected a config. Received: --experimental-rerun, whose file can run any code. "
            "Use `mnist-exp resume RUN`, or give the run's overrides again."
        )
    typed, flags.overrides = flags.overrides, list(map(nested_in_quotes, flags.overrides))
    if flags.cfg or flags.info or flags.hydra_help or flags.shell_completion:
        if dry_run:
            raise _not_planned()
        _show(_without(typed, arguments), flags)
        return
    composer = _composer(flags)
    composed = None if _is_sweep(flags) else _composed(composer, flags)
    if composed is None:
        _sweep(composer, flags, dry_run=dry_run)
    elif dry_run:
        raise _not_planned()
    else:
        run(composer, *composed, Job(show=True), configure_logging=True)


def _refuse_flags(received: str, remedy: str = "") -> NoReturn:
    raise RequestError(
        f"Expected overrides like KEY=VALUE, and Hydra's flags. Received: {received}.{remedy} "
        "`mnist-exp train --help` names the flags."
    )


def _meant(flag: str) -> str:
    """Returns a sentence on the flag, or the override, that an unknown flag was meant as."""
    from mnist_exp.commands.completion import FLAGS
    from mnist_exp.config.keys import schema_keys
    from mnist_exp.config.wording import nearest_key

    name = flag.partition("=")[0]
    near = nearest_key(name.lstrip("-"), ["experiment", *schema_keys()])
    return f"{near} Overrides have no dashes." if near else nearest(name, FLAGS)


def _composer(flags: Namespace) -> "Composer":
    from mnist_exp.config.compose import Composer

    return Composer(flags.config_dir, flags.config_name, flags.config_path)


def _composed(composer: "Composer", flags: Namespace) -> "tuple[Any, Config] | None":
    """Returns the config of one run; None where a YAML file says that it is a sweep."""
    from mnist_exp.config.grid import SweepComposer
    from mnist_exp.config.problems import ConfigError

    try:
        cfg, config = composer.checked(flags.overrides)
    except ConfigError as refused:  # perhaps for the values of a sweep
        try:
            mode = SweepComposer(composer, flags.overrides).hydra["mode"]
        except ConfigError:
            raise refused from None
        if mode != RunMode.MULTIRUN.name:
            raise
        return None
    return (cfg, config) if cfg.hydra.mode == RunMode.RUN else None


def _is_sweep(flags: Namespace) -> bool:
    return flags.multirun or "hydra.mode=MULTIRUN" in flags.overrides


def _without(overrides: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Returns the flags among arguments, without the overrides."""
    flags = list(reversed(arguments))
    for override in reversed(overrides):
        flags.remove(override)
    return flags[::-1]


def _show(given: Sequence[str], flags: Namespace) -> None:
    """Lets Hydra print a config, or what it knows of it.

    Args:
        given: the flags, as they were typed.
        flags: what they say.
    """
    try:
        _hand_over(given, flags)
    except SystemExit as end:  # of a part that is not there, for one, which Hydra has told
        sys.exit(2 if end.code else 0)
    except (RequestError, *SLIPS):  # there are more words for what is wrong
        if _is_sweep(flags):
            _planned(_composer(flags), flags, dry_run=True)
        else:
            _composer(flags).checked(flags.overrides)
        typed, flags.overrides = flags.overrides, list(map(readable, flags.overrides))
        if typed == flags.overrides:
            raise
        _show(given, flags)


def _sweep(composer: "Composer", flags: Namespace, *, dry_run: bool) -> None:
    """Runs a sweep, which is planned before it starts."""
    sweep = _planned(composer, flags, dry_run=dry_run)
    if sweep is None:
        if dry_run:
            raise _not_planned()
        multirun(composer, flags.overrides, Job(show=True))
        return
    click.echo(sweep.announcement, err=True)
    if dry_run:
        if sweep.preview:
            click.echo(sweep.preview)
        return
    if sweep.complete:
        sweep.publish()
    else:
        multirun(composer, sweep.for_all, sweep)
    sweep.conclude()


def _planned(composer: "Composer", flags: Namespace, *, dry_run: bool) -> "Sweep | None":
    """Returns the plan of a sweep; None where a sweeper of the user's own picks values."""
    from mnist_exp.config.grid import SweepComposer
    from mnist_exp.sweeps.execute import launchers

    launchers.require(flags.overrides)
    jobs = SweepComposer(composer, flags.overrides)
    if PLANNED not in jobs.hydra["sweeper"]["_target_"]:
        return None
    from mnist_exp.sweeps.sweep import Sweep

    return Sweep(jobs, dry_run=dry_run)


def _not_planned() -> RequestError:
    return RequestError(
        "Expected -m, and a sweeper that plans, with --dry-run. Received: a command whose "
        "jobs are not planned. `mnist-exp train --cfg job` shows the config of a run."
    )


def _hand_over(given: Sequence[str], flags: Namespace) -> None:
    """Lets Hydra answer a command line that runs nothing, as in an application of its own."""
    if flags.config_path:  # Hydra's own looks beside a program
        given = [*given, f"--config-path={in_place_of_conf(flags.config_path)}"]
    with hydra_errors(), _command_line([*given, *flags.overrides]):
        hydra.main(
            version_base=VERSION_BASE,
            config_path=str(config_folder()),
            config_name=CONFIG_NAME,
        )(Job())()


@contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Lets Hydra see the arguments, flags first, and leave its errors to us."""
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [sys.argv[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
