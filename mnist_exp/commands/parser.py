"""The verbs of `mnist-exp`: each parses, and calls one function."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_exp.commands.completion import (
    data_items,
    measured_items,
    override_items,
    run_items,
    sweep_items,
    unfinished_items,
)
from mnist_exp.commands.export.formats import FORMATS
from mnist_exp.commands.pages import COMPLETION_HELP, TRAIN_HELP
from mnist_exp.commands.program import PROGRAM
from mnist_exp.commands.types import (
    HandWritten,
    Train,
    Verbs,
    takes_components,
)

if TYPE_CHECKING:
    from mnist_exp.commands.compare.compare import Form

# Of the config, whose options `schema` describes; named here since the schema itself is heavier.
GROUPS = (
    "data",
    "augmentation",
    "model",
    "optimizer",
    "schedule",
    "loss",
    "training",
    "tracking",
    "search",
)
SETTINGS = {"help_option_names": ["-h", "--help"]}


@click.group(cls=Verbs, context_settings=SETTINGS)
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """Experiments in handwritten-digit recognition."""


@cli.command(
    cls=Train,
    page=TRAIN_HELP,
    context_settings={**SETTINGS, "ignore_unknown_options": True},
)
@click.option("--dry-run", is_flag=True, help="Of a sweep: shows what would run, and stops.")
@takes_components
@click.argument("arguments", nargs=-1, shell_complete=override_items)
def train(arguments: tuple[str, ...], *, dry_run: bool) -> None:
    """Trains and tests a model: one run; with -m a sweep."""
    from mnist_exp.commands import train as verb

    verb.train(arguments, dry_run=dry_run)


@cli.command()
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[FILE] [OVERRIDE ...]")
@click.pass_context
def check(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Tries components of your own: whether they keep what every run promises.

    FILE is a Python file of components; without it, that of pyproject.toml and those of installed
    packages. Each is tried with its YAML files in conf/ beside it, which OVERRIDES change, such as
    data.root=FOLDER: that its weights depend on the seed alone, that the same training gives the
    same weights, that its model loads without its code, and more. The first run with a component
    does the same. Exit code 1: a promise is broken, or a component has no YAML file to be tried
    with.
    """
    from mnist_exp.commands.check import check

    file = None if not arguments or "=" in arguments[0] else Path(arguments[0])
    ctx.exit(check(file, arguments if file is None else arguments[1:]))


@cli.command()
@click.argument("run", shell_complete=unfinished_items)
@takes_components
def resume(run: str) -> None:
    """Continues a run that was cut off, from its last checkpoint.

    RUN is a run id or its unique start, a run name, latest, best or @champion, or the job folder
    itself. The run ends with the weights that it would have had without the interruption.
    """
    from mnist_exp.runs import lifecycle

    lifecycle.show(lifecycle.resume(run))


@cli.command()
@click.argument("run", shell_complete=run_items)
@click.option(
    "--data",
    shell_complete=measured_items,
    metavar="NAME",
    help="mnist, digits, idx, mnist_c or drawings; the run's own data by default.",
)
@takes_components
@click.argument("overrides", nargs=-1)
def evaluate(run: str, data: str | None, overrides: tuple[str, ...]) -> None:
    """Measures a run's model again: on other data, on corrupted images, or on drawings.

    RUN is a run id or its unique start, a run name, latest, best or @champion. The result is
    recorded in the run under evaluate/NAME/, beside what was measured before. OVERRIDES say where
    the data are: evaluate best --data idx data.root=FOLDER. A model whose weights were altered
    since it was measured is refused. Without --data, and with mnist_c, so are data other than the
    run's own.

    --data mnist_c takes the run's own test images, corrupted in 15 ways at 3 strengths each.
    --data drawings takes the images in drawings/0 to drawings/9, which `demo` files; the run's ONNX
    model reads them as `predict` does; data.root=FOLDER names another folder.
    """
    from mnist_exp.commands import evaluate

    evaluate.evaluate(run, data, overrides)


@cli.command()
@click.argument("runs", nargs=-1, shell_complete=run_items, metavar="[RUN ...]")
@click.option(
    "--sweep",
    "sweeps",
    shell_complete=sweep_items,
    multiple=True,
    metavar="NAME",
    help="The runs of a sweep, or of several.",
)
@click.option(
    "--data",
    shell_complete=data_items,
    metavar="NAME",
    help="The runs on mnist, digits, or other data.",
)
@click.option(
    "--looks",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    metavar="N",
    help="How often groups are tested in all, each time on new seeds.",
)
@click.option(
    "--from-seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="SEED",
    help="Leaves out lower seeds: new ones are tested alone.",
)
@click.option("--markdown", is_flag=True, help="Prints Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Prints CSV, with unrounded numbers.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Writes a page as well: curves, confusions, images on which runs disagree.",
)
@takes_components
@click.pass_context
def compare(
    ctx: click.Context,
    runs: tuple[str, ...],
    sweeps: tuple[str, ...],
    data: str | None,
    html: Path | None,
    *,
    looks: int,
    from_seed: int,
    markdown: bool,
    as_csv: bool,
) -> None:
    """Compares runs, a sweep, or everything on the same data: intervals, paired tests.

    Accuracies on different data say nothing beside each other: shown are the runs on the data of
    the first RUN, else of the best run, or with --data on those; what is left out is told.

    Runs of the same config are put together and averaged over their seeds. Each config is tested
    against the best by validation accuracy; test accuracy is shown and chooses nothing. Groups are
    tested over the seeds that they share. Whoever is told to run new seeds compares these alone
    with --from-seed; --looks keeps false findings of all such tests together at 5 %.

    RUN is a run id or its unique start, a run name, latest, best or @champion. Exit code 2: a run
    that was named cannot be compared; the others are shown.
    """
    from mnist_exp.commands.compare.compare import compare

    if markdown and as_csv:
        raise click.UsageError("Expected --markdown or --csv. Received: both. Leave one out.", ctx)
    form: Form = "markdown" if markdown else "csv" if as_csv else "table"
    chosen = {"looks": looks, "from_seed": from_seed}
    ctx.exit(compare(runs, sweeps, data, form=form, html=html, **chosen))


@cli.command()
@click.argument("run", shell_complete=run_items)
@click.argument("images", nargs=-1, metavar="IMAGE ...")
@click.option("--json", "as_json", is_flag=True, help="Everything that was found, as JSON.")
@click.option(
    "--show",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Writes a picture (PNG) of what was found to a new file.",
)
@click.pass_context
def predict(
    ctx: click.Context, run: str, images: tuple[str, ...], *, as_json: bool, show: Path | None
) -> None:
    """Reads the digits in photos and drawings.

    RUN is a run id or its unique start, a run name, latest, best or @champion. IMAGE is a PNG,
    JPEG, WebP or BMP file, a folder of them, or - for standard input. Dark on light or light on
    dark, several digits or one, of any size: each is found, and read in reading order; `?` stands
    for one that the model is not sure of. Exit code 2: an image was refused; the others are read.
    """
    from mnist_exp.commands.predict import predict

    ctx.exit(predict(run, images, as_json=as_json, picture=show))


@cli.command()
@click.argument("run", shell_complete=run_items)
@click.argument("overrides", nargs=-1)
@click.option("--check-only", is_flag=True, help="Stops before training.")
@click.option("--worktree", is_flag=True, help="Runs the recorded commit, not the code of now.")
@click.option(
    "--apply-diff", is_flag=True, help="With --worktree: applies the changes recorded beside it."
)
@click.option(
    "--apply-components",
    is_flag=True,
    help="Runs the components recorded with the run, which it shows first.",
)
@takes_components
@click.pass_context
def reproduce(
    ctx: click.Context,
    run: str,
    overrides: tuple[str, ...],
    *,
    check_only: bool,
    worktree: bool,
    apply_diff: bool,
    apply_components: bool,
) -> None:
    """Runs a run again and says whether the result is the same.

    First it shows what the result depends on, then and now: code, data, packages, machine. Then it
    trains, and gives a verdict. Exit code 0: identical, the weights and every metric but times. 3:
    not distinguishable by a paired test of the predictions. 4: different. With --check-only, 0:
    everything is the same; 3: something differs that can change the result.

    RUN is a run id or its unique start, a run name, latest, best or @champion. OVERRIDES say what
    is a matter of this machine: data.root=FOLDER, training.threads=N, training.device=cpu,
    training.keep_checkpoints=true.
    """
    from mnist_exp.commands.reproduce.reproduce import reproduce

    ctx.exit(
        reproduce(
            run,
            overrides,
            check_only=check_only,
            code_of_then=worktree,
            apply_diff=apply_diff,
            apply_components=apply_components,
        )
    )


@cli.command()
@click.argument("run", shell_complete=run_items)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="See above.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="A new file; for a folder, a new or empty one.",
)
@takes_components
def export(run: str, form: str, out: Path) -> None:
    """Writes a run's model for use elsewhere, checked against the Keras model.

    It takes raw pixels, uint8 [N, 28, 28], and gives ten probabilities for each image. It is
    written only if it finds the same digits as the Keras model on 1,000 test images (or all, of
    fewer), with probabilities within 0.0001 (of litert, the float32 model).

    onnx is a file for ONNX Runtime; savedmodel a folder for TensorFlow; litert a folder for LiteRT
    (TensorFlow Lite) with a float32 and an int8 model, and how accurate both are: it needs
    pip install 'mnist-exp[litert]'. space is the drawing pad as a folder for Hugging Face Spaces,
    and needs pip install 'mnist-exp[demo]'.

    RUN is a run id or its unique start, a run name, latest, best or @champion.
    """
    from mnist_exp.commands.export.export import export

    export(run, form, out)


@cli.command()
@click.argument("run", shell_complete=run_items)
@click.option("--force", is_flag=True, help="Promotes one that is worse, or not comparable, too.")
@takes_components
def promote(run: str, *, force: bool) -> None:
    """Makes a run's model the champion in MLflow's registry, unless it is measurably worse.

    The model becomes a version of the registered model `mnist` with the alias `champion`. An exact
    McNemar test of the recorded test predictions compares it with today's champion. Exit code 1:
    it is measurably worse, and nothing is changed. 2: the two cannot be compared. --force
    overrides both, which the version's tags tell. A model whose weights are not those that were
    measured is refused in any case (1).

    Nothing else is decided by test images: this is a gate, which may refuse the run that you chose
    by validation, such as best, and prefers no run to another.

    RUN is a run id or its unique start, a run name, latest, best or @champion.
    """
    from mnist_exp.commands import promote

    promote.show(promote.promote(run, force=force))


@cli.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs."
)
@click.option("--sweep", shell_complete=sweep_items, metavar="NAME", help="Those of one sweep.")
@click.option("--json", "as_json", is_flag=True, help="Everything that is known of them, as JSON.")
def runs(limit: int, sweep: str | None, *, as_json: bool) -> None:
    """Lists the newest runs, one line each, with accuracy on validation and test."""
    from mnist_exp.commands import runs

    runs.show(runs.newest(limit, sweep), as_json=as_json)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    help="The port to listen on.",
)
def ui(host: str, port: int) -> None:
    """Starts the MLflow UI on the store of this folder, until Ctrl-C."""
    from mnist_exp.commands import ui

    ui.serve(host, port)


@cli.command()
@click.argument("run", shell_complete=run_items, default="best")
@click.option(
    "--beside",
    shell_complete=run_items,
    metavar="RUN",
    help="A second run that reads the same drawing.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=7860,
    show_default=True,
    help="The port to listen on.",
)
def demo(run: str, beside: str | None, host: str, port: int) -> None:
    """Serves a drawing pad for the browser, until Ctrl-C.

    RUN reads what is drawn there, or the images that are opened: best by default, or a run id or
    its unique start, a run name, latest or @champion. Drawings can be filed with their true digits
    in drawings/; evaluate RUN --data drawings measures a run on them.

    It needs pip install 'mnist-exp[demo]', and no network. With --host 0.0.0.0 anybody on the
    network can draw, and file.
    """
    from mnist_exp.commands.demo import demo

    demo.demo(run, beside, host, port)


@cli.command()
@click.option(
    "--to", metavar="URI", help="Another store to send them to, where theirs is gone or mistyped."
)
@click.option("--again", is_flag=True, help="Send runs too that the store had and has lost.")
def sync(to: str | None, *, again: bool) -> None:
    """Sends what an outage left behind to MLflow, for the runs of this folder.

    Each run goes to the store that it was started with, or to that of --to: from then on that is
    the run's own.
    """
    from mnist_exp.commands import sync

    sync.sync(to, again=again)


@cli.command(cls=HandWritten, page=COMPLETION_HELP, context_settings=SETTINGS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints a completion script."""
    from mnist_exp.commands.completion import script

    click.echo(script(cli, shell))


@cli.command()
@click.argument("group", required=False, type=click.Choice(GROUPS), metavar="[GROUP]")
@takes_components
def schema(group: str | None) -> None:
    """Prints the JSON Schema of the config, with which an editor completes and checks YAML files.

    Without GROUP, that of a recipe (experiment/*.yaml), which may say any part of the config. With
    it, that of an option of the group: data, augmentation, model, optimizer, schedule, loss,
    training, tracking or search. Components of your own are among them. The first line of a file
    names its schema:

    # yaml-language-server: $schema=model.schema.json
    """
    import json

    from mnist_exp.config import json_schema

    found = json_schema.of_option(group) if group else json_schema.of_recipe()
    click.echo(json.dumps(found, indent=2))
