"""`mnist-exp export`: a run's model, checked and then put where it was asked for."""

from pathlib import Path

from mnist_exp.commands.export.formats import FORMATS
from mnist_exp.commands.export.source import load
from mnist_exp.core.files import require_free, staged
from mnist_exp.core.terminal import say


def export(selector: str, form: str, out: Path) -> None:
    """Writes the model of a run in a format, and says on stdout how it was checked.

    Args:
        selector: what names the run.
        form: a key of `FORMATS`.
        out: a new file, or a folder that is new or empty, as the format has it.

    Raises:
        RequestError: there is no such run, it has no model, its data are not to be had, the format
            needs a package that is not installed, or nothing can be written there.
        ExperimentError: the model is not the one that the run measured, the export does not
            compute what the model does, or it could not be written.
    """
    wanted = FORMATS[form]
    wanted.require()
    require_free(out, folder=wanted.is_folder)
    source = load(selector)
    with staged(out, folder=wanted.is_folder) as place:
        found = wanted.write(source, place)
    say(f"{source.run.name} as {form}: {out}")
    for line in found:
        say(f"  {line}")
