"""YAML and overrides in, one frozen and checked `Config` out; the only reader of Hydra's configs.

    fields       limits, and what sections have in common
    architectures, schema
                 the keys of every section, and the rules between them
    wording      types, values and misspelt keys in words
    validate     what is wrong, all of it
    hydra        Hydra's loader of conf/
    diagnose     overrides that Hydra refuses, one by one
    compose      overrides -> config
    assign       overrides that only set values, quickly
    grid         overrides -> the configs of many jobs
    record       config -> nested, flat, digest, and back
    identity     which keys make two runs runs of the same experiment

It imports neither TensorFlow nor MLflow, and holds no default: those stand in conf/.
"""

from mnist_exp.config.compose import (
    Composed,
    Composer,
    choices,
    compose,
    from_hydra,
    task_overrides,
)
from mnist_exp.config.fields import Component
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.record import digest, flatten, from_record, rebuilt, to_record
from mnist_exp.config.schema import Config
from mnist_exp.config.validate import ConfigError, Problem

__all__ = [
    "Component",
    "Composed",
    "Composer",
    "Config",
    "ConfigError",
    "Problem",
    "SweepComposer",
    "choices",
    "compose",
    "digest",
    "flatten",
    "from_hydra",
    "from_record",
    "rebuilt",
    "task_overrides",
    "to_record",
]
