"""`mnist-exp compare`: runs chosen, compared, and shown as asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from mnist_exp.commands.compare import table
from mnist_exp.commands.compare.comparison import compare as compare_runs
from mnist_exp.commands.compare.selection import choose
from mnist_exp.commands.compare.significance import Looks
from mnist_exp.core.terminal import say

Form = Literal["table", "markdown", "csv"]
DONE, INCOMPLETE = 0, 2  # exit codes


def compare(
    selectors: Sequence[str],
    sweeps: Sequence[str] = (),
    data: str | None = None,
    *,
    looks: int,
    from_seed: int = 0,
    form: Form,
    html: Path | None = None,
) -> int:
    """Compares runs and prints the comparison to stdout; what was left out goes to stderr.

    Args:
        selectors: what names the runs; none, and no sweep, means every run of the experiment.
        sweeps: the names of sweeps.
        data: the name of the data that the runs have to be on; None for any.
        looks: how often groups are tested in all, each time on new seeds.
        from_seed: the lowest seed of the runs.
        form: of what is printed.
        html: a file for a page with all details.

    Returns:
        The exit code: 2 where a run that was named could not be compared, else 0.

    Raises:
        RequestError: nothing can be compared, or the file cannot be written.
    """
    if html is not None:
        from mnist_exp.commands.compare import page

        page.check(html)
    choice = choose(selectors, sweeps, data, from_seed)
    # Who leaves old seeds out has looked at them before.
    comparison = compare_runs(choice, Looks(looks, last=looks <= 1 + bool(from_seed)))
    if form == "table":
        table.show(comparison)
    else:
        click.echo((table.markdown if form == "markdown" else table.csv)(comparison), nl=False)
    for line in comparison.left_out:
        say(line, error=True)
    if html is not None:
        page.write(comparison, choice.store, html)
        say(f"The page is in {html}.", error=True)
    return DONE if choice.complete else INCOMPLETE
