"""A Hydra-configured experiment framework for handwritten-digit recognition."""
