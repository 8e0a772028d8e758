"""`python -m mnist_exp` is `mnist-exp`."""

from mnist_exp.cli import main

main()
