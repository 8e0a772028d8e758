"""YAML that others may have written, as plain values: what JSON can hold."""

from typing import Any

import yaml

from mnist_exp.core.errors import reason_of


def load(text: str | bytes) -> Any:
    """Returns the nulls, booleans, numbers, texts, lists and mappings that YAML says.

    Raises:
        ValueError: it is none, has aliases or values of other types, or is nested without end.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - stricter than safe
    except Exception as problem:  # PyYAML raises whatever a value of its own types makes
        raise ValueError(reason_of(problem)) from problem


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML of the types that JSON has, written out."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases: a few lines of them stand for gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(problem="it has an alias (*)")
        return super().compose_node(parent, index)


_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
_PlainLoader.yaml_constructors = {
    f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]
    for kind in _PLAIN
} | {None: yaml.SafeLoader.yaml_constructors[None]}
# A date would be no text any more.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in _PLAIN]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
