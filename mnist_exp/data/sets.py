"""The built-in data sets, each in the form that `Official` states."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from mnist_exp.config.components import dataset
from mnist_exp.config.fields import Count, Positive, Text

if TYPE_CHECKING:
    from mnist_exp.data.splits import Official

Root = Annotated[Text | None, BeforeValidator(lambda root: root or None)]  # "": as unset


@dataset("mnist", training_images=60_000)
def mnist(
    *, root: Root, mirrors: tuple[Text, ...], attempts: Count, timeout_seconds: Positive
) -> "Official":
    """MNIST itself; see `mnist_exp.data.mnist.load`."""
    from mnist_exp.data.mnist import load

    return load(root=root, mirrors=mirrors, attempts=attempts, timeout_seconds=timeout_seconds)


@dataset("digits", training_images=1_442)
def digits() -> "Official":
    """scikit-learn's digits; see `mnist_exp.data.digits.load`."""
    from mnist_exp.data.digits import load

    return load()


@dataset("idx")
def idx(
    *, root: Annotated[Text, Field(description="a folder with the four IDX files")]
) -> "Official":
    """A folder of IDX files; see `mnist_exp.data.idx.load`."""
    from mnist_exp.data.idx import load

    return load(root=root)
