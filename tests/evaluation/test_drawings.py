"""Drawings that are filed, and how a run is measured on them: real files, runs and processes."""

import contextlib
import multiprocessing
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from invoke import here, mnist_exp
from PIL import Image, ImageDraw
from projects import SMOKE, copied

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.inference import decode, drawings
from mnist_exp.inference.drawings import file_drawing, labelled
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store

TRAIN = ["train", "data=digits", "model=mlp", *SMOKE]


def stroke(*lines, width=18):
    """Returns polylines, in parts of the side, as a drawing of 280 x 280 pixels."""
    image = Image.new("L", (280, 280), 255)
    for line in lines:
        ImageDraw.Draw(image).line([(280 * x, 280 * y) for x, y in line], 0, width, joint="curve")
    return np.asarray(image, np.float32) / 255


ONE = [(0.5, 0.2), (0.5, 0.8)]
SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]


def test_a_drawing_is_kept_as_it_is_with_its_digit():
    filed = file_drawing(stroke(SEVEN), 7)
    assert (filed.is_new, filed.earlier, filed.total) == (True, None, 1)
    assert filed.path.parent == Path("drawings/7")
    assert np.array_equal(decode(filed.path.read_bytes(), "it"), stroke(SEVEN))
    assert labelled() == [(filed.path, 7)]


def test_the_same_drawing_is_kept_once():
    first = file_drawing(stroke(SEVEN), 7)
    again = file_drawing(stroke(SEVEN), 7)
    assert (again.path, again.is_new, again.total) == (first.path, False, 1)
    assert file_drawing(stroke(ONE), 7).total == 2


def test_the_last_digit_given_to_a_drawing_counts():
    file_drawing(stroke(ONE), 7)
    filed = file_drawing(stroke(ONE), 1)
    assert (filed.is_new, filed.earlier) == (False, 7)
    assert labelled() == [(filed.path, 1)]


def test_a_full_folder_takes_no_more(monkeypatch):
    monkeypatch.setattr(drawings, "MOST_DRAWINGS", 1)
    file_drawing(stroke(ONE), 1)
    with pytest.raises(RequestError, match="Expected fewer than 1 drawings"):
        file_drawing(stroke(SEVEN), 7)
    assert file_drawing(stroke(ONE), 1).total == 1


def test_where_nothing_can_be_written_nothing_is_left():
    Path("drawings").write_text("a file")
    with pytest.raises(ExperimentError, match="Expected to write the drawing into drawings"):
        file_drawing(stroke(ONE), 1)


def test_a_file_that_breaks_off_leaves_nothing(monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExperimentError, match="No space left"):
        file_drawing(stroke(ONE), 1)
    assert not any(Path("drawings/1").iterdir())


def file_many(digits):
    for digit in digits:
        file_drawing(stroke(ONE, width=digit + 9), digit)


def test_many_processes_file_the_same_drawings_once():
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=file_many, args=(range(10),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [drawing.label for drawing in labelled()] == list(range(10))


@pytest.fixture(scope="module")
def trained(gallery):
    """A folder with one run."""
    return gallery.once("digits-mlp", lambda folder: mnist_exp(folder, *TRAIN, check=True))


@pytest.fixture
def project(trained, sealed_environment):
    """The test's own copy of that folder, which is the working folder."""
    return copied(trained, sealed_environment)


def evaluate(*overrides):
    return here("evaluate", "latest", "--data", "drawings", *overrides)


def test_a_run_is_measured_on_drawings(project):
    [before] = Store(resolve(None), "mnist").search()
    for width in (12, 18, 24):
        file_drawing(stroke(ONE, width=width), 1)
        file_drawing(stroke(SEVEN, width=width), 7)
    blank = np.ones((100, 100), np.float32)
    file_drawing(blank, 4)
    pair = [[(x, 0.3), (x, 0.7)] for x in (0.3, 0.7)]
    two = file_drawing(stroke(*pair), 1)
    done = evaluate()
    assert done.returncode == 0, done.stderr
    [run] = Store(resolve(None), "mnist").search()
    found = {k: v for k, v in run.metrics.items() if k not in before.metrics}
    found = {key.removeprefix("evaluate/drawings/"): value for key, value in found.items()}
    assert found.keys() == {
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "drawings",
        "errors",
        "unsure",
        "not_one_digit",
    }
    assert found["drawings"] == 8
    assert found["not_one_digit"] == 2
    assert found["accuracy"] == pytest.approx(1 - found["errors"] / 8)
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    lines = done.stdout.splitlines()
    assert lines[0].endswith(" on the drawings in drawings, 8 in all")
    assert f"{found['accuracy']:.2%}" in lines[1]
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines[4:-1]}
    assert rows["4", "nothing"][0] == "1"
    [(_, _, times, path)] = [[*k, *v] for k, v in rows.items() if v[1] == str(two.path)]
    assert times == "1"
    assert Path(path) == two.path
    assert sum(int(times) for times, _ in rows.values()) == found["errors"]


def test_another_folder_may_be_measured(project, tmp_path):
    file_drawing(stroke(ONE), 1, tmp_path / "mine")
    done = evaluate(f"data.root={tmp_path / 'mine'}")
    assert done.returncode == 0, done.stderr
    assert "/mine, 1 in all" in done.stdout
    file_drawing(stroke(ONE), 1, Path(os.environ["HOME"], "theirs"))
    theirs = evaluate("data.root=~/theirs")
    assert "~/theirs, 1 in all" in theirs.stdout


def test_what_is_no_digit_at_all_is_a_mistake(project):
    grey = np.ones((1000, 1000), np.float32)
    for row in range(8, 980, 32):
        for column in range(8, 980, 32):
            grey[row : row + 14, column : column + 14] = 0
    filed = file_drawing(grey, 3)
    done = evaluate()
    assert done.returncode == 0, done.stderr
    [row] = [line for line in done.stdout.splitlines() if str(filed.path) in line]
    assert row.split()[:4] == ["3", "too", "many", "marks"]


def test_a_store_that_takes_nothing_leaves_what_was_measured_on_the_screen(project):
    file_drawing(stroke(ONE), 1)
    with contextlib.closing(sqlite3.connect("mlflow.db", isolation_level=None)) as store:
        full = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        store.execute(f"CREATE TRIGGER full BEFORE INSERT ON metrics {full}")
        done = evaluate()
        store.execute("DROP TRIGGER full")
    assert done.returncode == 1
    assert "on the drawings in drawings, 1 in all" in done.stdout
    assert "Expected to record evaluate/drawings/* in run " in done.stderr
    assert evaluate().returncode == 0


def test_what_cannot_be_measured_is_told_in_one_message(project):
    nothing = evaluate()
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("Expected drawings in drawings, such as drawings/7/mine.png")
    override = evaluate("data.seed=1")
    assert override.returncode == 2
    assert "Received: data.seed=1." in override.stderr
    Path("drawings/3").mkdir(parents=True)
    Path("drawings/3/text.png").write_text("This is text.")
    broken = evaluate()
    assert broken.returncode == 2
    assert broken.stderr.startswith("drawings/3/text.png: Expected a PNG, JPEG, WebP or BMP image")
    assert broken.stderr.count("\n") == 1


def test_the_folder_of_an_unknown_user_is_refused(project):
    done = evaluate("data.root=~nobody-here/drawings")
    assert done.returncode == 2
    assert "Received: ~nobody-here/drawings, " in done.stderr
