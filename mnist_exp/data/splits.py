"""Images with their labels, and how the training images are divided by a seed.

The test images are never divided, drawn from or mixed with anything here.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_exp.core.digits import CLASSES, IMAGE_SHAPE
from mnist_exp.core.errors import RequestError

if TYPE_CHECKING:  # the sections of data sets are read without NumPy
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Split:
    """Images and the digits that they show."""

    images: "NDArray[np.uint8]"  # uint8 [N, 28, 28], 0-255, ink bright
    labels: "NDArray[np.uint8]"  # uint8 [N], 0-9

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Official:
    """A data set as its makers divided it, before any validation images are taken out."""

    train: Split
    test: Split
    source: str  # where the files lay, for the record


@dataclass(frozen=True, eq=False)
class Splits:
    """What a run works with."""

    train: Split
    validation: Split  # may be empty: images [0, 28, 28]
    test: Split
    name: str
    digest: str  # SHA-256 in hex, see `digest`; the seed has no part in it
    source: str
    available: int  # training images before they were divided


def digest(official: Official) -> str:
    """Returns SHA-256 in hex over training images, training labels, test images, test labels."""
    import numpy as np

    state = hashlib.sha256()
    for split in (official.train, official.test):
        state.update(np.ascontiguousarray(split.images).data)
        state.update(np.ascontiguousarray(split.labels).data)
    return state.hexdigest()


def wrong_form(official: object) -> str:
    """Returns what keeps a data set from being used as MNIST is, in words; nothing if all is well.

    Args:
        official: of a user's own, who may have given anything.
    """
    import numpy as np

    if not isinstance(official, Official):
        return f"{type(official).__name__}, not Official(train=Split(images, labels), test=...)"
    for name in ("train", "test"):
        split = getattr(official, name)
        arrays = (split.images, split.labels) if isinstance(split, Split) else ()
        if not arrays or not all(isinstance(array, np.ndarray) for array in arrays):
            return f"{type(split).__name__} as {name}, not Split(images, labels) of NumPy arrays"
        images, labels = split.images, split.labels
        if images.shape != (len(labels), *IMAGE_SHAPE) or str(images.dtype) != "uint8":
            return f"{images.dtype} {list(images.shape)} as images of {name}, not uint8 [N, 28, 28]"
        if labels.ndim != 1 or str(labels.dtype) != "uint8":
            return f"{labels.dtype} {list(labels.shape)} as labels of {name}, not uint8 [N]"
        if not len(labels) or labels.max() >= CLASSES:
            return f"labels of {name} that are not digits of 0 to {CLASSES - 1}"
    return ""


def require_images(total: int, *, validation_images: int, train_images: int | None) -> None:
    """Checks that so many training images can be divided so.

    Args:
        total: The official training images.
        validation_images: How many to hold out.
        train_images: How many of the others to train on; None means all.

    Raises:
        RequestError: If that many images are not there.
    """
    if validation_images >= total:
        raise RequestError(
            f"Expected data.validation_images < {total}, the number of training images. "
            f"Received: {validation_images}. Hold out fewer images."
        )
    remaining = total - validation_images
    if train_images is not None and train_images > remaining:
        raise RequestError(
            f"Expected data.train_images <= {remaining}, the training images left beside "
            f"{validation_images} for validation. Received: {train_images}. "
            "Use fewer images, or null for all of them."
        )


def divide(
    train: Split, *, seed: int, validation_images: int, train_images: int | None
) -> tuple[Split, Split]:
    """Takes validation images, and then the training images to use, out of the training images.

    Both choices keep the shares of the ten classes and the order of the file. The validation
    images depend on the seed and their number alone, not on `train_images`.

    Args:
        train: The official training images.
        seed: At least 0.
        validation_images: How many to hold out; 0 gives an empty split.
        train_images: How many of the others to train on; None means all.

    Returns:
        The training split and the validation split. Without a choice to make, the training
        arrays are those given, not copies.

    Raises:
        RequestError: If that many images are not there.
    """
    import numpy as np

    require_images(len(train), validation_images=validation_images, train_images=train_images)
    validation_seed, subset_seed = np.random.SeedSequence(seed).spawn(2)
    held_out = _choose(train.labels, validation_images, validation_seed)
    validation = Split(train.images[held_out], train.labels[held_out])
    if validation_images:
        train = Split(train.images[~held_out], train.labels[~held_out])
    if train_images is not None and train_images < len(train):
        kept = _choose(train.labels, train_images, subset_seed)
        train = Split(train.images[kept], train.labels[kept])
    return train, validation


def class_shares(class_counts: "NDArray[np.int64]", number: int) -> "NDArray[np.int64]":
    """Shares `number` among the classes in proportion, by the largest remainder (Hamilton).

    Args:
        class_counts: Images of each class, int64 [10], with a sum of at least `number`.
        number: How many to share.

    Returns:
        int64 [10] with the sum `number`; of equal remainders the lower digit's comes first.
    """
    import numpy as np

    total = max(int(class_counts.sum()), 1)
    shares, remainders = np.divmod(class_counts * number, total)
    largest = np.argsort(-remainders, kind="stable")[: number - int(shares.sum())]
    shares[largest] += 1
    return shares


def _choose(
    labels: "NDArray[np.uint8]", number: int, seed: "np.random.SeedSequence"
) -> "NDArray[np.bool_]":
    """Returns a mask [N] of a stratified random choice."""
    import numpy as np

    # Raw output of the bit generator: NumPy keeps it the same in every version, which it does
    # not promise for Generator.permutation.
    keys = np.random.PCG64(seed).random_raw(len(labels))
    by_class = np.lexsort((keys, labels))
    counts = np.bincount(labels, minlength=CLASSES)
    first_of_class = np.cumsum(counts) - counts
    rank_in_class = np.arange(len(labels)) - np.repeat(first_of_class, counts)
    share = np.repeat(class_shares(counts, number), counts)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    chosen[by_class[rank_in_class < share]] = True
    return chosen
