"""A model that reads drawings, and what the page says of it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mnist_exp.inference import Recognizer


class Reader(NamedTuple):
    """A model with its name."""

    name: str
    caption: str  # what is known of it, in a line
    recognizer: Recognizer


Readers = Mapping[str, Callable[[], Reader]]  # name -> loads it
