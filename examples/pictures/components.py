"""A folder of pictures as a data set of one's own: train/0 to train/9, and test/0 to test/9.

They are taken as MNIST's are: 28 x 28 pixels, one bright digit on black; others are resized.
"""

from pathlib import Path

from mnist_exp.extend import CLASSES, SIDE, Official, Split, Text, dataset


@dataset("pictures")
def pictures(*, root: Text) -> Official:
    """Reads the PNG and JPEG files of each digit's folder, in the order of their names."""
    return Official(read(Path(root, "train")), read(Path(root, "test")), source=root)


def read(folder: Path) -> Split:
    """Returns the pictures of ten folders, with the digits that the folders are named after."""
    import numpy as np
    from PIL import Image

    files = [
        (file, digit)
        for digit in range(CLASSES)
        for file in sorted(Path(folder, str(digit)).iterdir())
        if file.suffix.lower() in {".png", ".jpg", ".jpeg"}
    ]
    images = np.zeros((len(files), SIDE, SIDE), np.uint8)
    for place, (file, _) in enumerate(files):
        with Image.open(file) as picture:
            images[place] = picture.convert("L").resize((SIDE, SIDE))
    return Split(images, np.array([digit for _, digit in files], np.uint8))
