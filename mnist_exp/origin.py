"""What a run starts from: a settled config, a store, data and code; and the record of it."""

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from mnist_exp import data, machine, provenance
from mnist_exp.config import Config, to_record
from mnist_exp.evidence import CONFIG, DIFF, FILES, OVERRIDES, PACKAGES, SYSTEM
from mnist_exp.tracking import Recorder, events, journal, location
from mnist_exp.tracking.records import CODE_TAG, RESUMED_TAG
from mnist_exp.wording import without_password

# What a run that goes on may find changed, and what that is called.
_CHANGEABLE = {FILES: "other code", PACKAGES: "other packages", SYSTEM: "a changed machine"}


def preflight(config: Config) -> None:
    """Checks what a run needs from outside, before a folder is made for it.

    Raises:
        RequestError: the store or the folder of the data cannot be used, or TensorFlow runs in this
            process already, with another number of threads.
    """
    location.preflight(location.resolve(config.tracking.uri))
    data.require_place(config.data.name, config.data.options().get("root"))
    if "tensorflow" in sys.modules:
        machine.start_tensorflow(config.training.threads)


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
) -> str:
    """Records what the run starts from: config, packages, machine, and what git does not know.

    Of a run that goes on it is recorded anew, and a tag tells what is not what it was before.

    Returns:
        What that is, in words; empty where all is the same, or nothing was before.
    """
    before = _recorded(recorder)
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
    changes = []
    for path, text in texts.items():
        digests = before.get(path, set())
        if text or digests:
            recorder.artifact(path, partial(_write, text))
        if path in _CHANGEABLE and digests - {hashlib.sha256(text.encode()).hexdigest()}:
            changes.append(_CHANGEABLE[path])
    if changes:
        recorder.tags({RESUMED_TAG: ", ".join(changes)})
    return ", ".join(changes)


def _recorded(recorder: Recorder) -> dict[str, set[str]]:
    """Returns path -> the digests that the artifacts of a run have had so far."""
    found: dict[str, set[str]] = {}
    for entry in journal.read(recorder.job_dir):
        if isinstance(entry.event, events.Artifact):
            found.setdefault(entry.event.path, set()).add(entry.event.sha256)
    return found


def _write(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
