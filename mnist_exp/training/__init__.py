"""Config, images and network -> trained weights."""
