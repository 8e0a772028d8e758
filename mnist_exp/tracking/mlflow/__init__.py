"""Every call of MLflow, and what a store needs before it can be called.

location         where a store lies, and how a journal names it
preflight        whether the installed MLflow can use a local one
relocation       a local one that was copied or moved
artifact_root    which places of artifacts are a store's own
connection       MLflow's client: quiet, and soon tired of a dead server
store            runs, written and read
database         a local store, read without MLflow
experiment_tags  of an experiment, written and read
dataset, logged_model, registry, view    the other things that MLflow keeps
attempt          work that may fail in any way
"""
