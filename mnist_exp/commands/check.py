"""`mnist-exp check`: components of one's own, tried before a run needs them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.config import components, places, sources
from mnist_exp.config.compose import compose
from mnist_exp.config.hydra import config_folder
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.quoting import in_quotes
from mnist_exp.config.registry import GROUPS, Source
from mnist_exp.core import plain_yaml
from mnist_exp.core.errors import RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.runs import environment, proof
from mnist_exp.runs.command import key_of

_DATA = "data=digits"  # needs no download; only a data set of one's own is loaded
_METRICS = "metrics"

Own = Mapping[str, set[str]]  # group, or `_METRICS` -> names of components to try


def check(file: Path | None, overrides: Sequence[str] = ()) -> int:
    """Tries every component of a file, or of all that is loaded, with each of its YAML options.

    Args:
        file: of components; None for the project's and those of installed packages.
        overrides: Hydra overrides of the options' keys.

    Returns:
        The exit code: 1 where one breaks a promise, or could not be tried.

    Raises:
        RequestError: there is nothing to try, or it cannot be loaded.
    """
    if file is not None:
        sources.use(file)
    own = _own(file)
    options = list(_options(own))
    options += [(_METRICS, f"[{name}]") for name in sorted(own[_METRICS])]
    if not options:
        raise RequestError(
            "Expected components with YAML files that name them, in a folder `conf` beside their "
            f"code. Received: none{f' of {file}' if file else ''}. For a model of the name resnet, "
            "write conf/model/resnet.yaml with `name: resnet` and its arguments."
        )
    _require_fitting(overrides, [group for group, _ in options])
    is_well, tried = True, {(_METRICS, name) for name in own[_METRICS]}
    for group, option in options:
        fitting = [text for text in overrides if _group_of(text) == group]
        data = [] if group == "data" else [_DATA]
        chosen = f"{group}={option}" if group == _METRICS else in_quotes(f"{group}={option}")
        try:
            config = compose([*data, chosen, *fitting]).config
        except ConfigError as error:
            say(f"{group}={option}")
            for problem in error.problems:
                say(f"  not tried: {problem}")
            is_well = False
            continue
        if group != _METRICS:
            name = getattr(config, group).name
            if name not in own[group]:
                continue  # it is based on a built-in one
            tried.add((group, name))
        say(f"{group}={option}")
        is_well &= _keeps_its_promises(environment.settled(config))
    for group, name in sorted({(g, name) for g in own for name in own[g]} - tried):
        say(f"{group} {name}")
        say(f"  not tried: write conf/{group}/{name}.yaml with `name: {name}` and its arguments")
        is_well = False
    return int(not is_well)


def _keeps_its_promises(config: Any) -> bool:
    """Says what comes of each promise; what keeps all is not tried again by its first run."""
    broken = False
    for words, problem in proof.prove(config):
        say(f"  broken: {words}: {problem}" if problem else f"  kept: {words}")
        broken = broken or bool(problem)
    if not broken:
        proof.remember(config)
    return not broken


def _own(file: Path | None) -> Own:
    def is_meant(source: Source | None) -> bool:
        return source is not None and file in (None, Path(source.path))

    file = None if file is None else file.absolute()
    found = {
        group: {name for name, entry in components.named(group).items() if is_meant(entry.source)}
        for group in GROUPS
    }
    metrics = components.metrics().items()
    return {**found, _METRICS: {name for name, metric in metrics if is_meant(metric.source)}}


def _options(own: Own) -> Iterator[tuple[str, str]]:
    """Yields each group and option that names one of the components, or is based on another."""
    of_ours = config_folder()
    for folder in (*places.config_folders(), of_ours):
        for group in GROUPS:
            for file in sorted((folder / group).glob("*.yaml")) if own[group] else ():
                try:
                    values = plain_yaml.load(file.read_bytes())
                except ValueError as problem:
                    raise RequestError(
                        f"Expected YAML in {file}. Received: {reason_of(problem)}."
                    ) from problem
                if not isinstance(values, dict):
                    continue
                is_based = "name" not in values and "defaults" in values and folder != of_ours
                if is_based or values.get("name") in own[group]:
                    yield group, file.stem


def _group_of(override: str) -> str:
    return key_of(override.lstrip("~")).partition(".")[0]


def _require_fitting(overrides: Sequence[str], groups: Sequence[str]) -> None:
    for override in overrides:
        if _group_of(override) not in groups:
            raise RequestError(
                f"Expected overrides of what is tried, {', '.join(dict.fromkeys(groups))}. "
                f"Received: {override}. Leave it out."
            )
