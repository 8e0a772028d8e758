"""What an image and a label are, in MNIST and in all that is like it."""

CLASSES = 10  # the digits
SIDE = 28  # pixels
IMAGE_SHAPE = (SIDE, SIDE)
