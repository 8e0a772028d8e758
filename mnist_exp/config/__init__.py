"""YAML and overrides in, one frozen and checked `Config` out; the only reader of Hydra's configs.

    fields       limits, and what sections have in common
    registry     the table of components, each section read off a function's signature
    places, sources
                 where components of a user's own lie, and what loads them
    components   decorators, and what the table is asked for
    schema       the keys of the other sections, and the whole
    wording      types, values and misspelt keys in words
    keys         dotted keys of the schema
    problems     what is said of a config that is wrong
    rules        what must hold between sections
    validate     what is wrong, all of it
    hydra        Hydra's loader of conf/
    hydra_internal
                 what of Hydra is not its public API
    diagnose     overrides that Hydra refuses, one by one
    refusals     what Hydra says of them, in our words
    slips        what was meant by words that are no override
    functions    range(), choice() and their like in overrides
    quoting      overrides whose values are read in quotes only
    compose      overrides -> config
    assign       overrides that only set values, quickly
    grid         overrides -> the configs of many jobs
    json_schema  the keys of the schema for editors
    record       config -> nested, flat, digest, and back
    identity     which keys make two runs runs of the same experiment

It imports neither TensorFlow nor MLflow, and holds no default: those stand in conf/.
"""
