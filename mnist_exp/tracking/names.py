"""The names that a run is recorded under, each said once; metrics have `evaluation.names`."""

# Tags of a run.
JOB_ID_TAG = "mnist_exp.job_id"
CONFIG_TAG = "mnist_exp.config_sha256"
GROUP_TAG = "mnist_exp.config"  # short; the same for all seeds of a config
CODE_TAG = "mnist_exp.code_sha256"
DATA_TAG = "mnist_exp.data_sha256"
DATA_WARNINGS_TAG = "mnist_exp.data_warnings"  # what is odd about them, in words
ENVIRONMENT_TAG = "mnist_exp.environment_sha256"  # of the packages that compute and the processor
WEIGHTS_TAG = "mnist_exp.weights_sha256"
ARTIFACTS_TAG = "mnist_exp.artifacts_sha256"  # of the artifact DIGESTS
COMMIT_TAG = "mnist_exp.git_commit"
DIRTY_TAG = "mnist_exp.git_dirty"
OUTCOME_TAG = "mnist_exp.outcome"
DONE = ("finished", "pruned")  # its values that need no resuming
FAILURE_TAG = "mnist_exp.failure"  # why a run failed, in a line; empty where it then went on
RESUMED_TAG = "mnist_exp.resumed_with"  # what was not the same in all parts of a run, in words
OTHER_CODE, OTHER_COMPONENTS = "other code", "other components"  # two of them
ENSEMBLE_TAG = "mnist_exp.ensemble"  # of a member: the job id of the run that it is a part of
SETTINGS_TAG = "mnist_exp.settings"  # JSON: what TensorFlow and Keras took from outside
COMPONENTS_TAG = "mnist_exp.components"  # JSON: file or package of the user's own -> SHA-256
CALLBACKS_TAG = "mnist_exp.callbacks"  # JSON: name of a callback -> SHA-256 of its code, or version
REPRODUCES_TAG = "mnist_exp.reproduces"  # of a rerun: the id of the run that it repeats
VERDICT_TAG = "mnist_exp.verdict"
# With the name of data at its end: the SHA-256 of those that evaluate/NAME/* was measured on last.
EVALUATED_TAG = "mnist_exp.evaluated."

# Tags of a sweep and its jobs.
SWEEP_TAG = "mnist_exp.sweep"
SPACE_TAG = "mnist_exp.sweep_space"  # JSON, of the parent run of a sweep: what is explored
# How often the sweep's command was given: the step of its metrics, so that each one's are kept.
COMMANDS_TAG = "mnist_exp.sweep_commands"
KEY_TAG = "mnist_exp.sweep_key"  # SHA-256 of what determines the result of a job
OVERRIDES_TAG = "mnist_exp.sweep_overrides"  # JSON list: what sets a job apart
# Of the experiment, with an id at its end: JSON, which command is at a sweep.
CLAIM_TAG = "mnist_exp.sweep_claim."
TRIAL_TAG = "mnist_exp.trial"  # JSON: number and params, of a search


# What stands for the run id in a description, until MLflow has given the run one.
RUN_ID = "{run_id}"

# Params.
VALIDATION_IMAGES = "data.validation_images"

# Artifacts.
DIGESTS = "sha256sums.txt"  # every other artifact of a run, as `sha256sum` writes it
