"""Data of the user's own: what is wrong is found before anything is made, what is odd is said."""

import idx_files
import numpy as np
import pytest
from invoke import here
from projects import SMOKE, only_run

from mnist_exp import data
from mnist_exp.tracking.names import DATA_WARNINGS_TAG

SMALL = ("data=idx", "data.root=images", *SMOKE, "model=seed_mlp")
DIVIDED = (*SMALL, "data.validation_images=100")


def write(folder, **arrays):
    """Writes IDX files of 600 training images and as many test images, or what is given."""
    folder.mkdir(exist_ok=True)
    digits = data.load_whole("digits")
    values = {
        "train-images": digits.train.images[:600],
        "train-labels": digits.train.labels[:600],
        "test-images": digits.test.images,
        "test-labels": digits.test.labels,
    }
    for name, array in (values | arrays).items():
        idx_files.write_array(folder / name, array)


def refused(*arguments) -> str:
    done = here("train", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def folder(sealed_environment):
    write(sealed_environment / "images")
    return sealed_environment


@pytest.mark.parametrize("many", [(), ("-m", "seed=1,2")], ids=["run", "sweep"])
def test_too_few_images_make_no_folder(folder, many):
    message = refused(*SMALL, *many)
    assert "Expected data.validation_images < 600" in message
    assert "Received: 5000" in message
    assert "Received: 590" in refused(*DIVIDED, "data.train_images=590", *many)
    assert [path.name for path in folder.iterdir() if path.name != "images"] == []


def test_every_job_of_a_sweep_is_checked(folder):
    assert "Received: 700" in refused(*SMALL, "-m", "data.validation_images=100,700")
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize("many", [(), ("-m", "seed=1,2")], ids=["run", "sweep"])
def test_labels_from_1_make_no_folder(folder, many):
    labels = data.load_whole("digits").train.labels[:600] + 1
    write(folder / "images", **{"train-labels": labels})
    message = refused(*DIVIDED, *many)
    assert "labels from 1 to 10. Subtract 1 from every label." in message
    assert len(message.splitlines()) == 1
    assert not (folder / "outputs").exists()


def test_odd_data_are_told_of_once_and_recorded(folder):
    digits = data.load_whole("digits")
    write(folder / "images", **{"train-images": 255 - digits.train.images[:600]})
    done = here("train", *DIVIDED, check=True)
    assert done.stderr.count("Warning: The training images are dark ink on bright paper") == 1
    tag = only_run(folder).tags[DATA_WARNINGS_TAG]
    assert tag.startswith("The training images are dark ink on bright paper, mean ")


def test_an_ensemble_and_a_sweep_warn_once(folder):
    labels = data.load_whole("digits").train.labels[:600]
    write(folder / "images", **{"train-labels": np.where(labels == 3, 2, labels)})
    warning = "Warning: No training image shows 3"
    for arguments in (("ensemble.members=2",), ("-m", "seed=1,2")):
        done = here("train", *DIVIDED, *arguments, check=True)
        assert done.stderr.count(warning) == 1, done.stderr


def test_plausible_data_are_not_warned_of(folder):
    done = here("train", *DIVIDED, check=True)
    assert "Warning" not in done.stderr
    assert DATA_WARNINGS_TAG not in only_run(folder).tags
