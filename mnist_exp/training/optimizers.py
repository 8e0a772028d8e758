"""The built-in optimizers, most of them Keras's own, by their own arguments."""

from typing import TYPE_CHECKING

from mnist_exp.config.components import optimizer
from mnist_exp.config.fields import BelowOne, NonNegative, Positive

if TYPE_CHECKING:
    import keras


@optimizer("sgd")
def sgd(
    *, learning_rate: Positive, momentum: BelowOne, nesterov: bool, weight_decay: NonNegative
) -> "keras.Optimizer":
    """Stochastic gradient descent."""
    import keras

    return keras.optimizers.SGD(
        learning_rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )


@optimizer("adam")
def adam(
    *, learning_rate: Positive, beta_1: BelowOne, beta_2: BelowOne, epsilon: Positive
) -> "keras.Optimizer":
    """Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    import keras

    return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


@optimizer("adamw")
def adamw(
    *,
    learning_rate: Positive,
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: Positive,
    weight_decay: NonNegative,
) -> "keras.Optimizer":
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    import keras

    return keras.optimizers.AdamW(
        learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=weight_decay
    )


@optimizer("nadam")
def nadam(
    *, learning_rate: Positive, beta_1: BelowOne, beta_2: BelowOne, epsilon: Positive
) -> "keras.Optimizer":
    """Adam with Nesterov momentum (Dozat 2016)."""
    import keras

    return keras.optimizers.Nadam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


@optimizer("adamax")
def adamax(
    *, learning_rate: Positive, beta_1: BelowOne, beta_2: BelowOne, epsilon: Positive
) -> "keras.Optimizer":
    """Adam with the largest of past gradients in place of their mean square (as Adam)."""
    import keras

    return keras.optimizers.Adamax(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


@optimizer("rmsprop")
def rmsprop(
    *, learning_rate: Positive, rho: BelowOne, momentum: BelowOne, epsilon: Positive, centered: bool
) -> "keras.Optimizer":
    """RMSprop (Tieleman and Hinton 2012)."""
    import keras

    return keras.optimizers.RMSprop(
        learning_rate, rho=rho, momentum=momentum, epsilon=epsilon, centered=centered
    )


@optimizer("adagrad")
def adagrad(
    *, learning_rate: Positive, initial_accumulator_value: NonNegative, epsilon: Positive
) -> "keras.Optimizer":
    """Adagrad (Duchi et al. 2011)."""
    import keras

    return keras.optimizers.Adagrad(
        learning_rate, initial_accumulator_value=initial_accumulator_value, epsilon=epsilon
    )


@optimizer("lion")
def lion(
    *, learning_rate: Positive, beta_1: BelowOne, beta_2: BelowOne, weight_decay: NonNegative
) -> "keras.Optimizer":
    """Lion, the sign of a momentum (Chen et al. 2023, arXiv:2302.06675)."""
    import keras

    return keras.optimizers.Lion(
        learning_rate, beta_1=beta_1, beta_2=beta_2, weight_decay=weight_decay
    )


@optimizer("lamb")
def lamb(
    *,
    learning_rate: Positive,
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: Positive,
    weight_decay: NonNegative,
) -> "keras.Optimizer":
    """LAMB, for large batches (You et al. 2019, arXiv:1904.00962)."""
    import keras

    return keras.optimizers.Lamb(
        learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=weight_decay
    )


@optimizer("muon")
def muon(
    *, learning_rate: Positive, momentum: BelowOne, weight_decay: NonNegative
) -> "keras.Optimizer":
    """Muon for kernels, AdamW for biases, batch norm and the last layer, at one learning rate.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; its updates
    are brought to the size of Adam's as in Liu et al. 2025, arXiv:2502.16982.

    Args:
        learning_rate: the peak.
        momentum: the decay of Muon's moving average of gradients.
        weight_decay: decoupled, of all weights.

    Returns:
        The optimizer.
    """
    from mnist_exp.training.muon import KernelMuon

    return KernelMuon(
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
    )
