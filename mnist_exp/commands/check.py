"""`mnist-exp check`: components of one's own, tried before a run needs them."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import components, places, sources
from mnist_exp.config.compose import compose
from mnist_exp.config.hydra import config_folder
from mnist_exp.config.registry import GROUPS
from mnist_exp.core import plain_yaml
from mnist_exp.core.errors import RequestError, reason_of
from mnist_exp.core.terminal import say
from mnist_exp.runs import environment, proof

_DATA = "data=digits"  # needs no download; only a data set of one's own is loaded


def check(file: Path | None) -> int:
    """Tries every component of a file, or of all that is loaded, with each of its YAML options.

    Args:
        file: of components; None for the project's and those of installed packages.

    Returns:
        The exit code: 1 where one breaks a promise.

    Raises:
        RequestError: there is nothing to try, or it cannot be loaded.
    """
    if file is not None:
        sources.use(file)
    options = list(_options())
    metrics = [name for name, metric in components.metrics().items() if metric.source is not None]
    if metrics:
        options.append(("metrics", f"[{','.join(metrics)}]"))
    if not options:
        raise RequestError(
            "Expected components with YAML files that name them, in a folder `conf` beside their "
            f"code. Received: none{f' of {file}' if file else ''}. For a model of the name resnet, "
            "write conf/model/resnet.yaml with `name: resnet` and its arguments."
        )
    broken = False
    for group, option in options:
        chosen = [f"{group}={option}"]
        config = compose(chosen if group == "data" else [_DATA, *chosen]).config
        say(f"{group}={option}")
        for words, problem in proof.prove(environment.settled(config)):
            say(f"  broken: {words}: {problem}" if problem else f"  kept: {words}")
            broken = broken or bool(problem)
    return int(broken)


def _options() -> Iterator[tuple[str, str]]:
    """Yields each group and option whose component is a user's own."""
    for folder in (*places.config_folders(), config_folder()):
        for group in GROUPS:
            own = {
                name
                for name, component in components.named(group).items()
                if component.source is not None
            }
            for file in sorted((folder / group).glob("*.yaml")):
                try:
                    values = plain_yaml.load(file.read_bytes())
                except ValueError as problem:
                    raise RequestError(
                        f"Expected YAML in {file}. Received: {reason_of(problem)}."
                    ) from problem
                if isinstance(values, dict) and values.get("name") in own:
                    yield group, file.stem
