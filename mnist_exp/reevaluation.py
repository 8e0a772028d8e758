"""Measures a run's logged model again, on its own test images or on others.

What it finds is recorded beside what the run measured, under `evaluate/<data>/`, never over it.
"""

from collections.abc import Sequence

from mnist_exp import console, data, machine
from mnist_exp.config import compose, from_record
from mnist_exp.errors import RequestError
from mnist_exp.evaluation import Evaluation
from mnist_exp.evaluation import evaluate as measure
from mnist_exp.evidence import Evidence
from mnist_exp.lookup import find
from mnist_exp.story import test_metrics
from mnist_exp.tracking import Point, events
from mnist_exp.tracking.logged_model import keras_file, model_path


def evaluate(selector: str, data_name: str | None, overrides: Sequence[str] = ()) -> Evaluation:
    """Measures a run's model and records the result in the run.

    Args:
        selector: what names the run.
        data_name: an option of the group `data`; None takes the run's own data.
        overrides: Hydra overrides of that data's keys, such as `data.root=FOLDER`.

    Returns:
        What was measured.

    Raises:
        RequestError: there is no such run, it has no model, or the data are not to be had.
        ExperimentError: the data or the model are broken.
    """
    found = find(selector)
    record, store = found.record, found.store
    recorded = from_record(Evidence(record, store.uri).config)
    if overrides and data_name is None:
        raise RequestError(
            f"Expected --data NAME before overrides of its keys. Received: {' '.join(overrides)}. "
            "Name the data, such as --data idx."
        )
    config = compose([f"data={data_name}", *overrides]).config if data_name else recorded
    options = config.data.options() | {"validation_images": 0, "train_images": None}
    splits = data.load(config.data.name, seed=recorded.seed, **options)
    machine.start_tensorflow(recorded.training.threads)
    import keras

    from mnist_exp import models

    classifier = keras.saving.load_model(keras_file(model_path(store, record.run_id)))
    predict = models.predictor(models.network_of(classifier))
    result = measure(predict(splits.test.images), splits.test.labels)
    metrics = test_metrics(result)
    name = config.data.name
    points = [
        Point(key.replace("test/", f"evaluate/{name}/"), value, events.now(), 0)
        for key, value in metrics.items()
    ]
    store.log_metrics(record.run_id, points)
    found.index.update([record.run_id])
    console.show_result(
        f"{record.name} on {len(splits.test):,} test images of {name}",
        metrics,
        f"recorded as evaluate/{name}/* in run {record.run_id}",
    )
    return result
