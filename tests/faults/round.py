"""One round: a command at work, and what is around it, to which a kind of fault does harm."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import MlflowServer

from faults.proxy import Proxy
from mnist_exp.tracking import journal

Undo = Callable[[], None]


@dataclass
class Round:
    """One command at work, and what is around it."""

    project: Path
    experiment: str
    process: Any  # the command, as `invoke.start` returns it
    environment: dict[str, str]  # of the commands
    rng: random.Random
    server: MlflowServer | None = None
    proxy: Proxy | None = None
    damage: str = "\0"  # words in which a command may say that something is lost
    # What a user does whom the commands told of damage; says whether it was there still.
    restore: Callable[[], bool] | None = None
    came_back: bool = False  # what was damaged, after the commands had gone on without it
    copies: list[Path] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The file of the store, or of the server's."""
        return self.project / "mlflow.db" if self.server is None else self.server.database

    def journals(self) -> list[Path]:
        """The journals of the project, in the order of their names."""
        return sorted(self.project.glob("outputs/**/" + journal.FILE_NAME))

    def kill(self) -> None:
        """Kills the command."""
        self.process.kill()
        self.process.wait()


def nothing() -> None:
    """Undoes what needs no undoing."""
