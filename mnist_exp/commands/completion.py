"""Tab completion: click's for verbs, Hydra's for overrides, the store's for runs.

A shell calls `mnist-exp` with `_MNIST_EXP_COMPLETE=<shell>_complete` and reads one answer a line.
"""

import os
import re
from collections.abc import Sequence

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from mnist_exp.commands.program import COMPLETION_VARIABLE, PROGRAM
from mnist_exp.core.errors import RequestError
from mnist_exp.core.files import require_working_folder

_WORD = re.compile(r"[\w@.+-]+")
FLAGS = {
    "--help": "what train does",
    "--dry-run": "with --multirun: shows the plan, and stops",
    "--multirun": "every combination of the values given with commas",
    "--cfg": "print the config instead: job, hydra or all",
    "--resolve": "with --cfg: interpolations resolved",
    "--package": "with --cfg: a part of the config",
    "--info": "where the config comes from",
    "--config-dir": "a folder of your own configs",
    "--config-name": "another primary config",
    "--config-path": "a folder in place of all configs of mnist-exp",
    "--components": "a Python file of your own components",
    "--hydra-help": "Hydra's own help",
}

# Bash splits words at = and :, and replaces only what follows the last of them; so the part before
# is cut off the answers. An answer that can go on (model=, model.) gets no space behind it.
BASH = """\
%(complete_func)s() {
    local cursor="${COMP_LINE:0:COMP_POINT}" breaks="${COMP_WORDBREAKS//[^=:]/}" answer
    local word="${cursor##*[[:space:]]}" before=""
    if [[ -n $breaks && $word == *[$breaks]* ]]; then before="${word%%"${word##*[$breaks]}"}"; fi
    COMPREPLY=()
    while IFS= read -r answer; do
        if [[ -z $answer ]]; then continue; fi
        if [[ $answer != *[=./] ]]; then answer="$answer "; fi
        COMPREPLY+=("${answer#"$before"}")
    done < <(COMP_LINE="$cursor" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nospace -o bashdefault -o default -F %(complete_func)s %(prog_name)s
"""


class Flags(ShellComplete):
    """A flag and its value in one word, as `--data=mnist`, are answered in one word."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Returns what can stand at the cursor."""
        flag, sign, value = incomplete.partition("=")
        if not sign or not flag.startswith("-"):
            return super().get_completions(args, incomplete)
        items = super().get_completions([*args, flag], value)
        return [CompletionItem(f"{flag}={item.value}", item.type, item.help) for item in items]


class Bash(Flags, BashComplete):
    """Bash, with its own way of splitting words; works from version 3.2 on."""

    source_template = BASH

    def source(self) -> str:
        """Returns the script; click's would start a bash to ask for its version."""
        return ShellComplete.source(self)

    def get_completion_args(self) -> tuple[list[str], str]:
        """Returns the words before the cursor, and the one that it stands behind."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        if not words or line[-1].isspace():
            return words, ""
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Returns one answer."""
        return str(item.value)


class Zsh(Flags, ZshComplete):
    """Zsh, without a space behind an answer, for most can go on (model=)."""

    source_template = ZshComplete.source_template.replace("compadd -U", "compadd -S '' -U")


class Fish(Flags, FishComplete):
    """Fish, with answers that hold commas (model=cnn,mlp) whole."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def script(command: click.Command, shell: str) -> str:
    """Returns the script that makes a shell ask `answer`.

    Args:
        command: the whole command line.
        shell: bash, zsh or fish.
    """
    return SHELLS[shell](command, {}, PROGRAM, COMPLETION_VARIABLE).source()


def answer(command: click.Command, instruction: str) -> int:
    """Prints what can stand at the cursor, one answer a line.

    Args:
        command: the whole command line.
        instruction: such as `bash_complete`.

    Returns:
        The exit code; a question that has no answer is no error.
    """
    shell = instruction.partition("_")[0]
    if shell not in SHELLS:
        return 2
    try:
        require_working_folder()
    except RequestError:  # which tab is not the place to say
        return 0
    click.echo(SHELLS[shell](command, {}, PROGRAM, COMPLETION_VARIABLE).complete())
    return 0


def run_items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the runs whose name begins so."""
    del ctx, param
    from mnist_exp.tracking.read.runs import run_names

    return _beginning_so(run_names(finished=True), incomplete)


def unfinished_items(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the runs whose name begins so and that have not finished."""
    del ctx, param
    from mnist_exp.tracking.read.runs import run_names

    return _beginning_so(run_names(finished=False), incomplete)


def sweep_items(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the sweeps whose name begins so."""
    del ctx, param
    from mnist_exp.tracking.read.runs import sweep_names

    return _beginning_so(sweep_names(), incomplete)


def data_items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the data sets that begin so."""
    del ctx, param
    from mnist_exp import data

    return _beginning_so(data.names(), incomplete)


def measured_items(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns what begins so of all that `evaluate` measures a run on."""
    others = _beginning_so(("mnist_c", "drawings"), incomplete)
    return data_items(ctx, param, incomplete) + others


def override_items(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns the overrides that begin so; of several values in one, the last is completed."""
    del param
    from mnist_exp.commands.overrides import complete

    words = ctx.params.get("arguments") or ()
    return [CompletionItem(override) for override in complete(words, incomplete)]


def _beginning_so(names: Sequence[str], incomplete: str) -> list[CompletionItem]:
    """Returns the names that begin so, without those that a shell would not take as one word.

    Bash puts an answer on the line as it is, and others may have named a run.
    """
    found = (name for name in names if name.startswith(incomplete) and _WORD.fullmatch(name))
    return [CompletionItem(name) for name in found]


def flag_items(incomplete: str) -> list[CompletionItem]:
    """Returns the flags of `train` that begin so."""
    return [
        CompletionItem(flag, help=text)
        for flag, text in FLAGS.items()
        if flag.startswith(incomplete)
    ]
