"""The names that measurements are recorded under, each said once; tags and params have others."""

# The beginnings of what is measured on a split.
VALIDATION, TEST = "val/", "test/"

# Of each epoch.
TRAIN_LOSS = "train/loss"  # nats an image, over the whole epoch
TRAIN_ACCURACY = "train/accuracy"
VAL_LOSS = "val/loss"
VAL_ACCURACY = "val/accuracy"
LEARNING_RATE = "learning_rate"
IMAGES_PER_SECOND = "images_per_second"

# Of the weights that were kept. Pruned runs, and those made elsewhere, have the last epoch's only.
CHOSEN_EPOCH = "chosen/epoch"
CHOSEN_VAL_ACCURACY = "chosen/val_accuracy"

# Of the test images, once, at the end.
TEST_ACCURACY = "test/accuracy"
TEST_ACCURACY_LOW = "test/accuracy_low"  # Wilson's 95 % interval
TEST_ACCURACY_HIGH = "test/accuracy_high"
TEST_LOSS = "test/loss"
TEST_ERRORS = "test/errors"  # images
TEST_ECE = "test/ece"  # expected calibration error

# Of a job of a sweep: a number that the sweep varies, since MLflow sorts and plots no params.
SWEPT = "swept/"

# Of the parent run of a sweep; its best config has `chosen/val_accuracy` and `test/accuracy` there.
SWEEP_JOBS = "sweep/jobs"

# Of the run.
PARAMETERS = "model/parameters"
FIT_SECONDS = "time/fit_seconds"
TOTAL_SECONDS = "time/total_seconds"


def chosen(name: str) -> str:
    """Returns what a metric on validation is called that is of the weights that were kept."""
    return f"chosen/val_{name}"
