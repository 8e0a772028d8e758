"""What is odd about images and labels that are in the right form: said, and no reason to refuse."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mnist_exp.core.digits import CLASSES
from mnist_exp.data.splits import Split, Splits

_HALF = 127.5  # of the brightest ink; the mean of MNIST is 33, of Fashion-MNIST 73
_LOOKED_AT = 1000  # images
_MANY = 0.1  # of the test images; MNIST has none that is a training image, too


def warnings(splits: Splits) -> list[str]:
    """Returns what a user should know of the data, a sentence each; nothing of plausible ones."""
    return [*_bright_paper(splits), *_same_images(splits), *_missing_digits(splits)]


def _same_images(splits: Splits) -> Iterator[str]:
    images = splits.train.images
    if len(images) > 1 and (images == images[0]).all():
        yield "All training images are the same: nothing can be learned from them."
    parts = splits.train.images, splits.validation.images
    known = {hash(image.tobytes()) for part in parts for image in part}
    tested = splits.test.images[:: max(1, len(splits.test) // _LOOKED_AT)]
    share = sum(hash(image.tobytes()) in known for image in tested) / max(1, len(tested))
    if share > _MANY:
        yield (
            f"About {share:.0%} of the test images are among those for training and validation: "
            "the test says little of new ones."
        )


def _bright_paper(splits: Splits) -> Iterator[str]:
    for name, split in (("training", splits.train), ("test", splits.test)):
        mean = split.images[:: max(1, len(split) // _LOOKED_AT)].mean()
        if mean > _HALF:
            yield (
                f"The {name} images are dark ink on bright paper, mean {mean:.0f} of 255, where "
                "bright ink on black is expected: invert them, 255 - image."
            )


def _missing_digits(splits: Splits) -> Iterator[str]:
    trained, validated, tested = map(_counts, (splits.train, splits.validation, splits.test))
    if not trained.all():
        yield f"No training image shows {_listed(trained == 0)}: the model cannot learn it."
    if not tested.all():
        yield f"No test image shows {_listed(tested == 0)}: the test says nothing of it."
    unseen = (validated == 0) & (trained > 0)
    if len(splits.validation) and unseen.any():
        yield (
            f"No validation image shows {_listed(unseen)}: choices are made without it. Raise "
            "data.validation_images, or have more images of it."
        )


def _counts(split: Split) -> NDArray[np.int64]:
    return np.bincount(split.labels, minlength=CLASSES)


def _listed(chosen: NDArray[np.bool_]) -> str:
    return ", ".join(map(str, np.flatnonzero(chosen)))
