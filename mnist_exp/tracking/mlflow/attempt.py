"""Work that may fail in any way, MLflow's or its libraries', without harm to whoever asked."""

import logging
import re
from types import TracebackType
from typing import Self

from mnist_exp.core.text import without_password

_LOG = logging.getLogger(__name__)
_LINE_CHARACTERS = 200
_NO_CONNECTION = re.compile(r"Caused by .*\[Errno -?\d+\] ([^'\")]+)")


class Attempt:
    """Keeps what its block raises in `problem`; it is None when all went well.

    Example:
        >>> with Attempt() as attempt:
        ...     raise ConnectionError("refused")
        >>> attempt.problem
        ConnectionError('refused')
    """

    problem: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(problem, Exception):
            return False
        _LOG.debug("MLflow did not take a run", exc_info=problem)
        self.problem = problem
        return True


def first_line(problem: BaseException) -> str:
    """Returns what an error says, in one line of a bearable length."""
    text = (str(problem).strip() or type(problem).__name__).splitlines()[0]
    text = without_password(text)
    cause = _NO_CONNECTION.search(text)
    if cause is not None:  # urllib3 buries it under the names of its classes
        return cause[1]
    return text if len(text) <= _LINE_CHARACTERS else text[: _LINE_CHARACTERS - 3] + "..."
