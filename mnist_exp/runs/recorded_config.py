"""From the config that a run recorded to one that can be run here.

What determines the result is the record's; where data lie and where runs are tracked is a matter
of this machine, and never the record's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_exp.config import components, places
from mnist_exp.config.compose import Composer
from mnist_exp.config.identity import determines
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.record import from_record, rebuilt
from mnist_exp.config.schema import Config
from mnist_exp.core import devices
from mnist_exp.core.errors import RequestError
from mnist_exp.runs.command import key_of
from mnist_exp.runs.environment import recorded_components
from mnist_exp.tracking.names import COMMIT_TAG
from mnist_exp.tracking.read.evidence import Evidence

# What may be set anew: it has no part in what the experiment is.
LOCAL_KEYS = ("data.root", "training.device", "training.threads", "training.keep_checkpoints")
GROUPS = ("data", "augmentation", "model", "optimizer", "schedule", "loss", "training", "tracking")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's name of one
_OPTION = re.compile(r"\w[\w.-]{0,99}")


def local_values(evidence: Evidence, overrides: Sequence[str]) -> dict[str, Any]:
    """Returns nested values of a config for this machine, for the recorded data.

    Args:
        evidence: of the run.
        overrides: of `LOCAL_KEYS`.

    Raises:
        RequestError: an override is of another key.
        ConfigError: an override is wrong.
    """
    own = list(map(key_of, overrides))
    for key, text in zip(own, overrides, strict=True):
        if key not in LOCAL_KEYS or "=" not in text:
            raise RequestError(
                f"Expected overrides of {', '.join(LOCAL_KEYS)}, since all else is the run's own. "
                f"Received: {text}. For another experiment use `mnist-exp train`."
            )
    recorded = {name: section(evidence.config, name) for name in ("data", "training")}
    name = recorded["data"].get("name")
    component = components.named("data").get(str(name))
    if component is None:
        raise RequestError(
            f"Expected the data set {name} of run {evidence.run.name}. Received: none of that "
            f"name. {_remedy(evidence.run.tags)}"
        )
    is_own = component.source is not None
    chosen = [] if is_own else [f"data={name}"]
    _, values, problems = Composer().unchecked([*chosen, *overrides])
    if problems:
        raise ConfigError(problems)
    root = recorded["data"].get("root")
    if is_own:  # of an option that may have any name, so what was recorded is what there is
        named = {"root": values["data"]["root"]} if "data.root" in own else {}
        values["data"] = {**recorded["data"], **named}
    has_root = name in ("mnist", "idx") and "data.root" not in own
    if has_root and isinstance(root, str) and _is_folder(root):
        values["data"]["root"] = root
    gone = is_own and isinstance(root, str) and "data.root" not in own and not _is_folder(root)
    if gone or (name == "idx" and "root" not in values["data"]):
        raise RequestError(
            f"Expected the folder of the data that run {evidence.run.name} was trained on. "
            f"Received: {root}, which is not here. Put it back; reproduce and evaluate also take "
            "data.root=FOLDER."
        )
    if "training.threads" not in own:
        values["training"]["threads"] = recorded["training"].get("threads")
    device = recorded["training"].get("device")
    if "training.device" not in own and isinstance(device, str):
        values["training"]["device"] = devices.here(device)
    return values


def config_of(evidence: Evidence, local: Mapping[str, Any]) -> Config:
    """Returns the config of the run, to be run here.

    Raises:
        RequestError: this version does not accept it; with every key that is in the way.
    """
    name = evidence.run.name
    with accepted(name, evidence.run.tags, then=f"`mnist-exp reproduce {name} --worktree`"):
        return rebuilt(evidence.config, local)


def as_recorded(evidence: Evidence) -> Config:
    """Returns the config of the run, as it was.

    Raises:
        RequestError: this version does not accept it; with every key that is in the way.
    """
    with accepted(evidence.run.name, evidence.run.tags):
        return from_record(evidence.config)


@contextmanager
def accepted(name: str, tags: Mapping[str, str], *, then: str = "") -> Iterator[None]:
    """Tells what to do where the recorded config of a run is not accepted within the block.

    Args:
        name: of the run.
        tags: that it began with.
        then: how to have the code of then do what is asked; by hand if nothing is said.

    Raises:
        RequestError: this version does not accept it; with every key that is in the way.
    """
    try:
        yield
    except ConfigError as error:
        raise RequestError(
            f"Expected a recorded config that this version of mnist-exp accepts. Received: that of "
            f"run {name}, with",
            *(f"  {replace(problem, remedy='')}" for problem in error.problems),  # it is the run's
            _remedy(tags, then),
        ) from error


def _remedy(tags: Mapping[str, str], then: str = "") -> str:
    own = recorded_components(tags)
    if own and not places.files():
        return f"It was made with {', '.join(own)}: name such a file with --components FILE."
    if not then:
        commit = tags.get(COMMIT_TAG, "")
        tree = "install the mnist-exp that made it in a folder"
        if COMMIT.fullmatch(commit):
            tree = f"`git worktree add FOLDER {commit[:12]}` in a clone of mnist-exp"
        then = f"{tree}, then this command again behind PYTHONPATH=FOLDER"
    return f"To run the code of then: {then}."


def placed(evidence: Evidence, config: Config, overrides: Sequence[str] = ()) -> Config:
    """Returns a recorded config whose data are where this machine has them, or gets them from.

    Args:
        evidence: of the run.
        config: that the run recorded.
        overrides: of `LOCAL_KEYS`; `data.root` says where the data lie now.

    Raises:
        RequestError: they were in a folder that is not here, or an override is wrong.
    """
    local = local_values(evidence, overrides)["data"]
    fields = type(config.data).model_fields
    here = {k: v for k, v in local.items() if k in fields and not determines(f"data.{k}")}
    if "mirrors" in here:
        here["mirrors"] = tuple(here["mirrors"])  # as a checked config has them
    return config.model_copy(update={"data": config.data.model_copy(update=here)})


def choices_of(evidence: Evidence) -> dict[str, str]:
    """Returns the option that was chosen of each config group, as far as it is known."""
    tags = evidence.run.tags
    known = {group: tags[group] for group in (*GROUPS, "experiment") if group in tags}
    return {group: option for group, option in known.items() if _OPTION.fullmatch(option)}


def _is_folder(path: str) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # too long, of an unknown user, with a null byte
        return False


def section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a section of a recorded config; an empty one where there is none."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}
