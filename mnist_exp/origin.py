"""What a run starts from: a settled config, a store, data and code; and the record of it."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from mnist_exp import data, machine, provenance
from mnist_exp.config import Config, to_record
from mnist_exp.evidence import CONFIG, DIFF, FILES, OVERRIDES, PACKAGES, SYSTEM
from mnist_exp.tracking import Recorder, location
from mnist_exp.tracking.records import CODE_TAG
from mnist_exp.wording import without_password


def preflight(config: Config) -> None:
    """Checks what a run needs from outside, before a folder is made for it.

    Raises:
        RequestError: the store or the folder of the data cannot be used.
    """
    location.preflight(location.resolve(config.tracking.uri))
    data.require_place(config.data.name, config.data.options().get("root"))


def settled(config: Config) -> Config:
    """Replaces what depends on the machine, "auto" and null, by what it comes to here."""
    training = config.training
    settings = {
        "precision": machine.resolve_precision(training.precision),
        "threads": training.threads or machine.cores(),
    }
    return config.model_copy(update={"training": training.model_copy(update=settings)})


def code_tags(code: provenance.Code) -> dict[str, str]:
    """Returns the tags that name the code of a run."""
    return {
        CODE_TAG: code.sha256,
        "mnist_exp.git_commit": code.commit or "none",
        "mnist_exp.git_dirty": str(bool(code.diff)).lower(),
    }


def record(
    recorder: Recorder, config: Config, overrides: Sequence[str], code: provenance.Code
) -> None:
    """Records what the run starts from: config, packages, machine, and what git does not know."""
    settings = {"threads": config.training.threads, "precision": config.training.precision}
    texts = {
        CONFIG: without_password(yaml.safe_dump(to_record(config), sort_keys=False)),
        OVERRIDES: yaml.safe_dump(list(overrides)),
        PACKAGES: "\n".join(provenance.packages()) + "\n",
        SYSTEM: json.dumps(machine.system() | settings, indent=2) + "\n",
        # As `sha256sum` writes it, so that `sha256sum -c` in a checkout compares.
        FILES: "".join(f"{digest}  {path}\n" for path, digest in code.files.items()),
        DIFF: code.diff,
    }
    for path, text in texts.items():
        if text:
            recorder.artifact(path, partial(_write, text))


def _write(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
