"""Components for mnist-exp, as an installed package."""
