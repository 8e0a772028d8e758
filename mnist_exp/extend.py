"""Components of one's own: a function with a decorator from here, and a YAML file.

    from mnist_exp.extend import BelowOne, Widths, model

    @model("resnet")
    def resnet(*, widths: Widths, dropout: BelowOne) -> keras.Model:
        import keras
        ...

Its arguments become the keys of `conf/model/resnet.yaml`, where their defaults stand. Import Keras
and TensorFlow within functions: every config is checked with this module loaded.
"""

from mnist_exp.config.components import (
    augmentation,
    dataset,
    loss,
    metric,
    model,
    optimizer,
    schedule,
)
from mnist_exp.config.fields import (
    Activation,
    Amount,
    BelowOne,
    Count,
    Fraction,
    Kernel,
    Kernels,
    NonNegative,
    Positive,
    Shift,
    SomeWidths,
    Text,
    Width,
    Widths,
    broken_rule,
)
from mnist_exp.core.digits import CLASSES, SIDE
from mnist_exp.data.splits import Official, Split

__all__ = [
    "CLASSES",
    "SIDE",
    "Activation",
    "Amount",
    "BelowOne",
    "Count",
    "Fraction",
    "Kernel",
    "Kernels",
    "NonNegative",
    "Official",
    "Positive",
    "Shift",
    "SomeWidths",
    "Split",
    "Text",
    "Width",
    "Widths",
    "augmentation",
    "broken_rule",
    "dataset",
    "loss",
    "metric",
    "model",
    "optimizer",
    "schedule",
]
