"""What is said of a config that is wrong: key, expectation, receipt, remedy."""

from collections.abc import Iterable
from dataclasses import dataclass

from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import printable


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a config."""

    key: str  # dotted, or the override as it was typed
    expected: str
    received: str
    remedy: str = ""

    def __str__(self) -> str:
        """Returns the problem as one line."""
        line = f"{self.key}: Expected {self.expected}. Received: {self.received}."
        return f"{line} {self.remedy}" if self.remedy else line


class ConfigError(RequestError):
    """The config is wrong; `problems` holds everything that is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keeps each distinct problem once, in the order of discovery."""
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Returns one line for each problem, under a line that counts them."""
        count = len(self.problems)
        title = "1 problem" if count == 1 else f"{count} problems"
        lines = [f"The config has {title}; nothing was run."]
        lines += [f"  {printable(str(problem))}" for problem in self.problems]
        lines.append("Every key and its value: mnist-exp train --cfg job")
        return "\n".join(lines)
