"""Name -> Keras network; network -> other formats."""
