"""`evaluate --data mnist_c` on real runs, in fresh processes: table, metrics, picture, refusals."""

import json
import pickle
import shutil
from pathlib import Path

import idx_files
import keras
import numpy as np
import pytest
from invoke import mnist_exp
from legible import assert_legible, title, written
from PIL import Image
from projects import SMOKE, artifact, artifacts, copied, history, only_run, store

from mnist_exp import data, plots
from mnist_exp.core.statistics import mean_interval, wilson_interval
from mnist_exp.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_exp.evaluation.robustness import measure, metrics
from mnist_exp.plots.robustness import robustness as picture_of
from mnist_exp.tracking.mlflow.logged_model import keras_file, model_path
from mnist_exp.tracking.names import DATA_TAG
from mnist_exp.tracking.read.evidence import Evidence

SMALL = ["model=mlp", *SMOKE, "training.epochs=3"]
PICTURE = "evaluate/mnist_c/robustness.png"


def digits() -> data.Splits:
    return data.load("digits", seed=0, validation_images=0, train_images=None)


def write_idx(folder: Path, *, first: int = 0) -> Path:
    """Writes scikit-learn's digits, but the first training images, as a folder of IDX files."""
    train, test = digits().train, digits().test
    rest = data.Split(train.images[first:], train.labels[first:])
    return idx_files.write(folder, train=rest, test=test)


def train(folder: Path, *overrides: str) -> None:
    done = mnist_exp(folder, "train", *SMALL, *overrides)
    assert done.returncode == 0, done.stderr


def templates(splits):
    """A model that really recognises most digits: the nearest mean of the training images."""
    train = splits.train
    means = np.stack([train.images[train.labels == digit].mean(axis=0) for digit in range(10)])
    means = means.reshape(10, -1) / np.linalg.norm(means.reshape(10, -1), axis=1, keepdims=True)
    return lambda images: (images.reshape(len(images), -1) / 25 @ means.T).astype(np.float32)


@pytest.fixture(scope="module")
def measured(gallery, small):
    """A folder with one run, the run before, and what `evaluate` said; no test changes it."""

    def make(folder):
        copied(small, folder)
        before = only_run(folder)
        done = mnist_exp(folder, "evaluate", "latest", "--data", "mnist_c", check=True)
        (folder / "before_and_said.pickle").write_bytes(pickle.dumps((before, done)))

    folder = gallery.once("measured", make)
    return folder, *pickle.loads((folder / "before_and_said.pickle").read_bytes())


def test_it_adds_an_accuracy_for_each_set_and_their_means(measured):
    folder, before, _ = measured
    values = only_run(folder).metrics
    assert {key: value for key, value in values.items() if key in before.metrics} == before.metrics
    new = {key for key in values if key not in before.metrics}
    sets = {f"{name}/{strength}/accuracy" for name in CORRUPTIONS for strength in STRENGTHS}
    means = {f"{name}/accuracy" for name in CORRUPTIONS}
    own = {"accuracy", "accuracy_low", "accuracy_high", "clean/accuracy"}
    assert new == {f"evaluate/mnist_c/{key}" for key in sets | means | own}
    assert values["evaluate/mnist_c/clean/accuracy"] == values["test/accuracy"]
    for name in CORRUPTIONS:
        each = [values[f"evaluate/mnist_c/{name}/{strength}/accuracy"] for strength in STRENGTHS]
        assert values[f"evaluate/mnist_c/{name}/accuracy"] == pytest.approx(np.mean(each))
    every = [values[f"evaluate/mnist_c/{key}"] for key in sets]
    assert values["evaluate/mnist_c/accuracy"] == pytest.approx(np.mean(every))
    assert (
        values["evaluate/mnist_c/accuracy_low"]
        < values["evaluate/mnist_c/accuracy"]
        < values["evaluate/mnist_c/accuracy_high"]
    )


def test_the_figures_are_those_of_the_logged_model(measured):
    folder, _, _ = measured
    run = only_run(folder)
    model = keras.saving.load_model(keras_file(model_path(store(folder), run.run_id)))
    test = digits().test
    for name, strength in (("rotate", 3), ("shot_noise", 2), ("thick_strokes", 1)):
        answers = model.predict(corrupt(test.images, name, strength), verbose=0).argmax(axis=1)
        recorded = run.metrics[f"evaluate/mnist_c/{name}/{strength}/accuracy"]
        assert recorded == pytest.approx(np.mean(answers == test.labels))


def test_the_table_says_what_was_recorded(measured):
    folder, _, done = measured
    run = only_run(folder)
    values = {
        key.removeprefix("evaluate/mnist_c/"): f"{100 * value:.2f}"
        for key, value in run.metrics.items()
    }
    lines = done.stdout.splitlines()
    assert lines[0] == f"{run.name} on 355 test images of digits, corrupted in 15 ways"
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    for name in CORRUPTIONS:
        keys = [f"{name}/{strength}/accuracy" for strength in STRENGTHS]
        assert rows[name] == [values[key] for key in [*keys, f"{name}/accuracy"]]
    assert rows["mean"][-1] == values["accuracy"]
    assert rows["corrupted"][0] == f"{values['accuracy']}%"
    assert values["accuracy_low"] in " ".join(rows["corrupted"])
    assert rows["clean"][0] == f"{values['clean/accuracy']}%"
    assert run.run_id in done.stdout
    assert PICTURE in done.stdout
    assert done.stderr == ""
    assert max(map(len, lines)) <= 80


def test_the_picture_is_added_and_the_record_is_not_altered(measured):
    folder, before, _ = measured
    run = only_run(folder)
    with Image.open(artifacts(folder, run)[PICTURE]) as image:
        assert image.size == (900, 1080)
    tags = before.tags | {"mnist_exp.evaluated.mnist_c": before.tags[DATA_TAG]}
    assert (run.status, run.end_time, run.tags) == (before.status, before.end_time, tags)
    evidence = Evidence(run, store(folder).uri)
    assert len(evidence.predictions.labels) == 355
    assert evidence.config["data"]["name"] == "digits"
    assert evidence.packages()
    assert evidence.files()
    assert evidence.altered == []


def test_given_again_it_finds_the_same(measured, sealed_environment):
    folder, done = copied(measured[0], sealed_environment), measured[2]
    before = only_run(folder).metrics
    again = mnist_exp(folder, "evaluate", "latest", "--data", "mnist_c")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert only_run(folder).metrics == before
    listed = mnist_exp(folder, "runs", "--json")
    assert json.loads(listed.stdout)[0]["metrics"] == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnist-c"], "mnist, digits, idx, mnist_c, drawings. Received: mnist-c."),
        (["--data", ""], "mnist, digits, idx, mnist_c, drawings. Received: ."),
        (["--data", "mnist_c", "data.validation_images=5"], "data.root=FOLDER"),
        (["--data", "mnist_c", "data.root=/nowhere"], "data.root"),
        (["data.root=/nowhere"], "Expected --data NAME before data.root=FOLDER"),
        (["--data", "digits", "data.validation_images=5"], "Received: data.validation_images=5."),
        (["--data", "digits", "seed=3"], "Received: seed=3. Leave it out."),
    ],
)
def test_wrong_requests_are_refused(measured, arguments, message):
    folder, _, _ = measured
    before = only_run(folder).metrics
    done = mnist_exp(folder, "evaluate", "latest", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert only_run(folder).metrics == before


def test_the_data_are_the_runs_own(sealed_environment):
    folder = sealed_environment
    images = write_idx(folder / "images")
    train(folder, "data=idx", f"data.root={images}", "data.validation_images=100")
    moved = images.rename(folder / "moved")
    other = write_idx(folder / "other", first=1)
    absent = mnist_exp(folder, "evaluate", "latest", "--data", "mnist_c")
    assert (absent.returncode, str(images) in absent.stderr) == (2, True)
    command = ("evaluate", "latest", "--data", "mnist_c")
    wrong = mnist_exp(folder, *command, f"data.root={other}")
    assert (wrong.returncode, "Received: other data" in wrong.stderr) == (2, True)
    assert "evaluate/mnist_c/accuracy" not in only_run(folder).metrics
    shutil.copytree(other, images)
    replaced = mnist_exp(folder, "evaluate", "latest")
    assert (replaced.returncode, "Received: other data" in replaced.stderr) == (2, True)
    assert "evaluate/idx/accuracy" not in only_run(folder).metrics
    right = mnist_exp(folder, *command, f"data.root={moved}")
    assert right.returncode == 0, right.stderr
    values = only_run(folder).metrics
    assert values["evaluate/mnist_c/clean/accuracy"] == values["test/accuracy"]
    digests = []
    for root, words in ((other, ""), (moved, ", after what was measured there on other data")):
        done = mnist_exp(folder, "evaluate", "latest", "--data", "idx", f"data.root={root}")
        run = only_run(folder)
        assert done.stdout.endswith(f"recorded as evaluate/idx/* in run {run.run_id}{words}\n")
        digests.append(run.tags["mnist_exp.evaluated.idx"])
    assert digests[0] != digests[1] == run.tags[DATA_TAG]


def test_the_picture_cannot_be_added(sealed_environment, measured):
    """The metrics stay, and the exit code says that something failed."""
    folder = copied(measured[0], sealed_environment)
    root = artifact(store(folder), only_run(folder).run_id)
    shutil.rmtree(root / "evaluate")
    (root / "evaluate").write_text("a file in the way of a folder")
    done = mnist_exp(folder, "evaluate", "latest", "--data", "mnist_c")
    assert done.returncode == 1
    assert f"Expected to add the artifact {PICTURE}" in done.stderr
    assert "accuracy, %" in done.stdout
    key = "evaluate/mnist_c/accuracy"
    before, after = (history(each, only_run(each), key) for each in (measured[0], folder))
    assert len(after) == len(before) + 1


def test_the_interval_is_that_of_the_images():
    splits = digits()
    predict, test = templates(splits), splits.test
    found = measure(predict, test.images, test.labels)
    right = [
        predict(corrupt(test.images, name, strength)).argmax(axis=1) == test.labels
        for name in CORRUPTIONS
        for strength in STRENGTHS
    ]
    interval = mean_interval(np.mean(right, axis=0).tolist())
    assert found.accuracy == pytest.approx(np.mean(right))
    assert (found.accuracy_low, found.accuracy_high) == pytest.approx(interval)
    assert 0.5 < found.accuracy < found.clean.accuracy
    by_strength = np.reshape(right, (15, 3, -1)).mean(axis=(0, 2))
    assert found.by_strength == pytest.approx(tuple(by_strength))


def test_mistakes_are_of_digits_that_are_recognised_clean():
    splits = digits()
    predict, test = templates(splits), splits.test
    found = measure(predict, test.images, test.labels)
    shown = [one.mistake for one in found.corruptions]
    assert all(shown)
    for mistake in shown:
        clean, corrupted = predict(np.stack([mistake.original, mistake.corrupted])).argmax(axis=1)
        assert clean == mistake.label
        assert corrupted == mistake.answer != mistake.label
        assert 0.1 < mistake.probability <= 1


def test_the_picture_is_legible_and_says_the_worst_first():
    splits = digits()
    found = measure(templates(splits), splits.test.images, splits.test.labels)
    figure = picture_of(found)
    plots.save(figure, Path("picture.png"))
    assert_legible(figure)
    assert title(figure) == (
        f"Corrupted test images: {100 * found.accuracy:.2f} % recognised, "
        f"clean ones {100 * found.clean.accuracy:.2f} %"
    )
    (axes,) = figure.axes
    names = [text for text in written(axes) if text.replace(" ", "_") in CORRUPTIONS]
    worst_first = sorted(found.corruptions, key=lambda one: one.accuracy)
    assert names == [one.name.replace("_", " ") for one in worst_first]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_models_that_know_nothing(value):
    """One that diverged, and one that says the same of everything, are measured and drawn too."""
    test = digits().test

    def predict(images):
        return np.full((len(images), 10), value, np.float32)

    found = measure(predict, test.images, test.labels)
    zeros = pytest.approx(np.mean(test.labels == 0))
    assert [value for key, value in metrics(found).items() if "/" in key] == [zeros] * (1 + 4 * 15)
    assert found.by_strength == (zeros, zeros, zeros)
    assert [one.mistake for one in found.corruptions] == [None] * 15
    figure = picture_of(found)
    plots.save(figure, Path("picture.png"))
    assert_legible(figure)


def test_a_model_that_is_always_right():
    test = digits().test
    answers = np.eye(10, dtype=np.float32)[test.labels]
    found = measure(lambda _: answers, test.images, test.labels)
    interval = wilson_interval(len(test.labels), len(test.labels))
    assert (found.accuracy, found.accuracy_low, found.accuracy_high) == (1, *interval)
    assert "no such mistake" in written(picture_of(found).axes[0])
    one = measure(lambda _: answers[:1], test.images[:1], test.labels[:1])
    assert one.accuracy == 1
