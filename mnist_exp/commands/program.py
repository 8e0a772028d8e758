"""What the command is called."""

PROGRAM = "mnist-exp"
COMPLETION_VARIABLE = "_MNIST_EXP_COMPLETE"  # as click derives it from the program
