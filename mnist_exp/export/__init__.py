"""A run's model for use elsewhere: one module a format, each checked against the Keras model.

`formats` is their table, `export` the story of the verb; `source` is what is exported, `check` what
every format has to pass.
"""
