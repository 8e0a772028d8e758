"""What a run starts from: a settled config, a store, data and code; and the record of it."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from mnist_exp import data
from mnist_exp.config import components
from mnist_exp.config.record import to_record
from mnist_exp.config.schema import Config
from mnist_exp.core import devices, hardware, numerics, processor, tensorflow_setup
from mnist_exp.core.text import without_password
from mnist_exp.runs import proof, source_code
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.mlflow import location
from mnist_exp.tracking.mlflow.preflight import preflight as check_store
from mnist_exp.tracking.names import (
    CODE_TAG,
    COMMIT_TAG,
    COMPONENTS_TAG,
    DIRTY_TAG,
    ENVIRONMENT_TAG,
    OTHER_CODE,
    OTHER_COMPONENTS,
    SETTINGS_TAG,
)
from mnist_exp.tracking.read.evidence import (
    COMPONENTS,
    CONFIG,
    DIFF,
    FILES,
    OVERRIDES,
    PACKAGES,
    SYSTEM,
)
from mnist_exp.tracking.recorder import Recorder

# What a run that goes on may find changed, and what that is called.
_CHANGEABLE = {
    CODE_TAG: OTHER_CODE,
    COMPONENTS_TAG: OTHER_COMPONENTS,
    ENVIRONMENT_TAG: "other packages, or another processor or GPU",
    SETTINGS_TAG: "other settings of TensorFlow",
}


def preflight(config: Config) -> None:
    """Checks what a run needs from outside, before a folder is made for it.

    Raises:
        RequestError: the store, the folder of the data or the device cannot be used, a component
            of the user's own breaks a promise, or TensorFlow runs in this process already, on
            another device or with another number of threads, or Keras with other defaults.
    """
    check_store(location.resolve(config.tracking.uri))
    data.require_place(config.data.name, config.data.options().get("root"))
    if not tensorflow_setup.ours:
        tensorflow_setup.tensorflow()  # before Keras imports it in its own way
        numerics.require_keras()
    devices.require(config.training.device)
    proof.require(settled(config))
    if "tensorflow" in sys.modules:
        hardware.start_tensorflow(config.training.threads, config.training.device)


def settled(config: Config) -> Config:
    """Replaces what depends on the machine, "auto" and null, by what it comes to here."""
    training = config.training
    device = devices.resolve(training.device)
    return with_training(
        config,
        device=device,
        precision=hardware.resolve_precision(training.precision, device),
        threads=training.threads or processor.cores(),
    )


def moved_here(config: Config) -> Config:
    """Returns a settled config with a device of this machine, where its own is not there."""
    return with_training(config, device=devices.resolve(devices.here(config.training.device)))


def with_training(config: Config, **settings: Any) -> Config:
    """Returns a config with other values of the section `training`."""
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})


def code_tags(code: source_code.Code) -> dict[str, str]:
    """Returns the tags that name the code of a run."""
    return {
        CODE_TAG: code.sha256,
        COMMIT_TAG: code.commit or "none",
        DIRTY_TAG: str(bool(code.diff)).lower(),
    }


def tags(code: source_code.Code, config: Config) -> dict[str, str]:
    """Returns the tags that name everything that decides what a run computes, but its config.

    Args:
        code: of now.
        config: settled.
    """
    system = hardware.system(config.training.device)
    parts = [system[name] for name in ("python", "processor", "processor_flags")]
    if system["device"] != system["processor"]:
        parts += [system[name] for name in ("device", *hardware.GPU_VERSIONS)]
    text = json.dumps([source_code.computing_packages(), *parts])
    own = {source.name: source.sha256 for source in components.used(config)}
    return {
        **({COMPONENTS_TAG: json.dumps(own)} if own else {}),
        **code_tags(code),
        ENVIRONMENT_TAG: hashlib.sha256(text.encode()).hexdigest(),
        SETTINGS_TAG: json.dumps(numerics.settings(ours=tensorflow_setup.ours)),
    }


def adopt(tags: Mapping[str, str]) -> None:
    """Sets what a run was made with and nobody set here, as far as it may be taken from a record.

    Args:
        tags: of the run.
    """
    numerics.adopt(recorded_settings(tags))


def recorded_settings(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns what a run took from outside, by name; empty where it does not say."""
    return mapping(tags.get(SETTINGS_TAG, ""))


def recorded_components(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns the files and packages of components that a run had -> SHA-256."""
    return mapping(tags.get(COMPONENTS_TAG, "{}"))


def changes(job_dir: Path) -> list[str]:
    """Returns what was not the same in all parts of a run, in words."""
    told = state_of(job_dir).told
    return [words for name, words in _CHANGEABLE.items() if len(set(told.get(name, ()))) > 1]


def record(
    recorder: Recorder, config: Config, overrides: Sequence[str], code: source_code.Code
) -> None:
    """Records what the run starts from: config, packages, machine, and what git does not know."""
    before = state_of(recorder.job_dir).artifacts
    training = config.training
    settings = {"threads": training.threads, "precision": training.precision}
    texts = {
        CONFIG: without_password(yaml.safe_dump(to_record(config), sort_keys=False)),
        OVERRIDES: yaml.safe_dump(list(overrides)),
        PACKAGES: "\n".join(source_code.packages()) + "\n",
        SYSTEM: json.dumps(hardware.system(training.device) | settings, indent=2) + "\n",
        # As `sha256sum` writes it, so that `sha256sum -c` in a checkout compares.
        FILES: "".join(f"{digest}  {path}\n" for path, digest in code.files.items()),
        DIFF: code.diff,
    }
    for source in components.used(config):
        if source.text is not None:
            texts[f"{COMPONENTS}/{source.name}"] = source.text
    for path, text in texts.items():
        if text or path in before:  # a run that goes on may have no changes any more
            recorder.artifact(path, partial(_write, text))


def mapping(text: str) -> dict[str, str]:
    """Returns what a tag holds as JSON, names -> texts; nothing where it holds something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _write(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
