"""A run's model for use elsewhere, checked against the Keras model.

`formats` is the table of formats, `export` what the verb does; `source` is what is exported.
"""
