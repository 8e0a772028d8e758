"""A small residual network, as a component of one's own; its defaults are in conf/model."""

from typing import TYPE_CHECKING

from mnist_exp.extend import BelowOne, NonNegative, SomeWidths, broken_rule, model

if TYPE_CHECKING:
    import keras


def even(*, widths: SomeWidths, **_: object) -> None:
    """Every width is even, so that a block can be halved."""
    if any(width % 2 for width in widths):
        raise broken_rule("model.widths", "even numbers", str(list(widths)))


@model("resnet", rule=even)
def resnet(*, widths: SomeWidths, dropout: BelowOne, weight_decay: NonNegative) -> "keras.Model":
    """Blocks of two convolutions with a way around them (He et al. 2016, arXiv:1512.03385)."""
    import keras
    from keras import layers

    def convolution(width: int, size: int) -> layers.Layer:
        penalty = keras.regularizers.L2(weight_decay)
        return layers.Conv2D(width, size, padding="same", kernel_regularizer=penalty)

    def block(width: int) -> keras.Model:
        inner = [convolution(width // 2, 3), layers.ReLU(), layers.Dropout(dropout)]
        return keras.Sequential([*inner, convolution(width, 3), layers.BatchNormalization()])

    image = keras.Input((28, 28, 1))
    x = image
    for width in widths:
        x = convolution(width, 1)(layers.MaxPooling2D()(x))
        x = layers.ReLU()(x + block(width)(x))
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
