"""Where tables are printed."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPED_COLUMNS = 200


def table_console(
    piped_columns: int = PIPED_COLUMNS, *, highlight: bool = False, markup: bool = True
) -> "Console":
    """Returns stdout, as wide as the terminal or `COLUMNS`, or wide where it is a file or a pipe.

    Args:
        piped_columns: how wide then.
        highlight: whether numbers and paths have colours.
        markup: whether `[...]` in texts is rich's.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else piped_columns
    return Console(width=width, highlight=highlight, markup=markup)
