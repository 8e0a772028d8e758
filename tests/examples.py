"""Command lines that documents show: understood, without being run."""

import contextlib
import shlex
from pathlib import Path

import click
from hydra.types import RunMode
from invoke import python

from mnist_exp import cli
from mnist_exp.config.compose import Composer
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.hydra_internal import get_args_parser
from mnist_exp.sweeps.plan import Plan


def understand(line: str, *, elsewhere: bool = False) -> None:
    """Parses a command line, and composes and checks what it would train.

    Args:
        line: a call of `mnist-exp`, as a shell has it.
        elsewhere: whether this process was made for it.

    Raises:
        Exception: it is refused.
    """
    program, verb, *words = shlex.split(line.partition(" > ")[0], comments=True)
    assert program == "mnist-exp", line
    if verb == "--help":
        return
    loads = "--components" in words or Path("pyproject.toml").exists()
    if loads and not elsewhere:  # what it loads would stay in this process
        code = "import sys; sys.path.append(sys.argv[1]); import examples\n"
        code += "examples.understand(sys.argv[2], elsewhere=True)"
        python(code, str(Path(__file__).parent), line, check=True)
        return
    if verb != "train":
        with contextlib.suppress(click.exceptions.Exit):  # --help
            cli.cli.commands[verb].make_context(verb, list(words))
        return
    if "--help" in words:
        return
    context = cli.cli.commands[verb].make_context(verb, list(words))
    flags, unknown = get_args_parser().parse_known_intermixed_args(
        list(context.params["arguments"])
    )
    assert not unknown, line
    composer = Composer(flags.config_dir)
    if flags.multirun or _is_sweep_in_a_file(composer, flags.overrides):
        Plan(SweepComposer(composer, flags.overrides))
    else:
        composer.checked(flags.overrides)


def _is_sweep_in_a_file(composer: Composer, overrides: list[str]) -> bool:
    return SweepComposer(composer, overrides).hydra["mode"] == RunMode.MULTIRUN.name
