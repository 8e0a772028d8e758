"""What the command line is made of: pages written by hand, near verbs, runs and overrides."""

import difflib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mnist_exp.commands.completion import flag_items
from mnist_exp.commands.pages import HELP
from mnist_exp.commands.program import PROGRAM
from mnist_exp.core.errors import RequestError, nearest
from mnist_exp.core.files import require_working_folder

_OWN = ("--help", "--version")
_OF_TRAIN = ("-m", "-c", "-p", "-i", "-cd", "-cn")  # flags that people give without it


class Verb(click.Command):
    """A command that works in the folder it is given in."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs it, where there is such a folder."""
        require_working_folder()
        return super().invoke(ctx)


class HandWritten(click.Command):
    """A command whose help page is written by hand."""

    def __init__(self, *arguments: Any, page: str, **options: Any) -> None:
        """Takes what `click.Command` takes, and the page."""
        super().__init__(*arguments, **options)
        self.page = page

    def get_help(self, ctx: click.Context) -> str:
        """Returns the page."""
        del ctx
        return self.page.rstrip()


class Train(Verb, HandWritten):
    """The verb whose flags are Hydra's."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> Any:
        """Returns the flags that begin so."""
        del ctx
        return flag_items(incomplete)


class Verbs(click.Group):
    """The verbs; a misspelt one is told the nearest."""

    command_class = Verb

    def get_help(self, ctx: click.Context) -> str:
        """Returns the page."""
        del ctx
        return HELP.rstrip()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb."""
        verbs = self.list_commands(ctx)
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in verbs:
            raise RequestError(
                f"Expected a verb: {', '.join(verbs)}. Received: {args[0]}."
                f"{_meant(args, verbs)} `{PROGRAM} --help` explains them."
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads what stands before the verb."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        if args and _is_of_a_verb(args[0]) and not ctx.resilient_parsing:
            raise RequestError(
                f"Expected a verb before its flags. Received: {args[0]}. "
                f"{_verb_first(args, self.list_commands(ctx))}"
            )
        return super().parse_args(ctx, args)


def _is_of_a_verb(flag: str) -> bool:
    is_ours = bool(difflib.get_close_matches(flag, _OWN, cutoff=0.8))
    return flag in _OF_TRAIN or (flag.startswith("--") and flag != "--" and not is_ours)


def _meant(args: Sequence[str], verbs: Sequence[str]) -> str:
    """Returns a sentence on the command that was meant, or nothing."""
    return f" {_verb_first(args, verbs)}" if "=" in args[0] else nearest(args[0], verbs)


def _verb_first(args: Sequence[str], verbs: Sequence[str]) -> str:
    """Returns a sentence with the command line as it was meant: a verb, then the rest."""
    given = {word: word.lstrip("-") for word in args}
    verb = next((word for word in args if given[word] in verbs), "")
    others = [word for word in args if word != verb]
    return f"Write `{shlex.join([PROGRAM, given.get(verb, 'train'), *others])}`."


def takes_components(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option that names a file of components to a verb that needs them."""
    return click.option(
        "--components",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_use_components,
        help="A Python file with components of your own.",
    )(command)


def _use_components(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    del param
    if file is None:
        return
    if ctx.resilient_parsing:  # a shell asks for what can follow, and runs none of its code
        from mnist_exp.config import places

        places.named.append(file)
    else:
        from mnist_exp.config import sources

        sources.use(file)
