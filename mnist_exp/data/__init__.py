"""Verified images, divided by the seed: `load("mnist", ...)` gives train, validation and test.

Pixels stay uint8; whoever needs floats makes them from a batch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.config import components
from mnist_exp.config.registry import Registered
from mnist_exp.core.errors import ExperimentError, RequestError, nearest, reason_of
from mnist_exp.data.splits import (
    Official,
    Split,
    Splits,
    digest,
    divide,
    require_images,
    wrong_form,
)

__all__ = [
    "DIVISION",
    "Split",
    "Splits",
    "files",
    "load",
    "load_whole",
    "names",
    "require",
    "require_images",
    "require_place",
]

# Options that divide the training images, of every data set.
DIVISION = ("validation_images", "train_images", "split_seed")


def names() -> list[str]:
    """Returns the names of the data sets."""
    return list(components.named("data"))


def load(
    name: str,
    *,
    seed: int,
    validation_images: int,
    train_images: int | None,
    split_seed: int | None = None,
    **options: Any,
) -> Splits:
    """Loads a data set and takes the validation images out of its training images.

    Args:
        name: One of `names`.
        seed: Of the run.
        validation_images: How many training images to hold out; 0 for none.
        train_images: How many of the others to train on; None for all.
        split_seed: Chooses the validation images, and the training images if not all are used, so
            that runs of several seeds can share them; None leaves it to `seed`.
        **options: The data set's own: see `sets`.

    Returns:
        The three splits; the digest covers every official image and label, used or not.

    Raises:
        RequestError: If the name, a number or a folder is wrong.
        ExperimentError: If files are absent or broken and cannot be had elsewhere.

    Example:
        >>> splits = load("digits", seed=0, validation_images=200, train_images=None)
        >>> splits.validation.images.shape
        (200, 28, 28)
    """
    if name not in names():
        raise RequestError(
            f"Expected data.name to be one of {', '.join(names())}. Received: {name}."
            f"{nearest(name, names())}"
        )
    require_place(name, options.get("root"))
    official = _official(name, options)
    train, validation = divide(
        official.train,
        seed=seed if split_seed is None else split_seed,
        validation_images=validation_images,
        train_images=train_images,
    )
    return Splits(
        train,
        validation,
        official.test,
        name,
        digest=digest(official),
        source=str(official.source),  # a user's own may give a path
        available=len(official.train),
    )


def _official(name: str, options: Mapping[str, Any]) -> Official:
    """Calls the function of a data set; what one of a user's own gives or raises is looked at."""
    component = components.named("data")[name]
    if component.source is None:
        built_in: Official = component.function(**options)
        return built_in
    whose = f"Expected images by the data set {name} of {component.source.name}"
    try:
        official: Official = component.function(**_typed(component, name, options))
        wrong = wrong_form(official)
    except (RequestError, ExperimentError):
        raise
    except Exception as problem:
        raise ExperimentError(f"{whose}. Received: {reason_of(problem)}.") from problem
    if wrong:
        raise ExperimentError(f"{whose}, in the form of MNIST's. Received: {wrong}.")
    return official


def _typed(component: Registered, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options in the types of a component, whether they are of a config or of a record."""
    place = dict(options)
    if isinstance(place.get("root"), str | Path):
        place["root"] = str(Path(place["root"]).expanduser())
    division = {**dict.fromkeys(DIVISION), "validation_images": 0}
    section = component.section.model_validate({"name": name, **division, **place}, strict=False)
    return {key: value for key, value in section.options().items() if key not in DIVISION}


def load_whole(name: str, **options: Any) -> Splits:
    """Loads a data set and holds nothing out.

    Args:
        name: One of `names`.
        **options: As `load` takes them; those of `DIVISION` have no effect.

    Returns:
        The splits, without validation images.

    Raises:
        RequestError: If the name or a folder is wrong.
        ExperimentError: If files are absent or broken and cannot be had elsewhere.
    """
    place = {key: value for key, value in options.items() if key not in DIVISION}
    return load(name, seed=0, validation_images=0, train_images=None, **place)


def files(name: str, root: str | None = None) -> list[Path]:
    """Returns the files that a data set is read from; none where it needs none, or lacks them.

    Args:
        name: One of `names`.
        root: `data.root`.

    Raises:
        RequestError: If a file of `idx` is absent or ambiguous.
    """
    from mnist_exp.data import idx, mnist

    if name == "mnist":
        return mnist.files(root)
    return idx.files(root) if name == "idx" and root is not None else []


def require(name: str, *, validation_images: int, train_images: int | None, **options: Any) -> None:
    """Checks, before anything is made for a run, that data are there and can be divided so.

    Args:
        name: One of `names`. Of MNIST and digits the config's schema knows how many there are.
        validation_images: How many training images to hold out.
        train_images: How many of the others to train on; None for all.
        **options: The rest of what `load` takes.

    Raises:
        RequestError: If a number, a folder or what lies in it is wrong.
    """
    require_place(name, options.get("root"))
    if name == "idx" or components.named("data")[name].source is not None:
        place = {key: value for key, value in options.items() if key not in DIVISION}
        total = len(_official(name, place).train)
        require_images(total, validation_images=validation_images, train_images=train_images)


def require_place(name: str, root: str | None) -> None:
    """Checks that a folder of data exists, before anything is made for a run.

    Args:
        name: One of `names`; of `idx`, the files must be there too.
        root: `data.root`; None leaves the choice to the data set.

    Raises:
        RequestError: it does not exist, cannot be read, or lacks a file that nothing can replace.
    """
    if root is None:
        return
    try:
        exists = Path(root).expanduser().is_dir()
        if exists and name == "idx":
            from mnist_exp.data import idx

            idx.find(root)
    except (OSError, RuntimeError) as problem:  # of no permission, or of ~USER without such a user
        raise RequestError(
            "Expected data.root, which MNIST_EXP_DATA sets for MNIST, to be a folder that can be "
            f"read. Received: {root}, {reason_of(problem)}. Check its permissions, or give another."
        ) from problem
    if not exists:
        raise RequestError(
            "Expected data.root, which MNIST_EXP_DATA sets for MNIST, to be an existing folder. "
            f"Received: {root}. Create it, or give the folder that holds the data."
        )
