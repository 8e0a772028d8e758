"""`mnist-exp predict` in fresh processes, on files as people have them, by a real model."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from drawn import STROKES, draw, encoded, line_of
from invoke import here, python
from PIL import Image
from projects import SMOKE, copied


def mnist_exp(*arguments, content=None):
    return here(*arguments, input=content, text=False)


@pytest.fixture
def work(fast, sealed_environment):
    """A folder with one run, which is the working folder."""
    return copied(fast, sealed_environment)


def answers(*arguments, **options):
    result = mnist_exp("predict", "latest", *arguments, "--json", **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("number", STROKES)
def test_a_drawn_digit_is_read(number, work, tmp_path):
    file = tmp_path / "drawn.png"
    file.write_bytes(encoded(draw(STROKES[number])))
    [answer] = answers(str(file))
    [digit] = answer["digits"]
    assert digit["digit"] == number
    assert digit["confidence"] == max(digit["probabilities"])
    assert sum(digit["probabilities"]) == pytest.approx(1, abs=1e-5)
    left, top, right, bottom = digit["box"]
    assert (draw(STROKES[number])[top:bottom, left:right] < 128).sum() == (
        draw(STROKES[number]) < 128
    ).sum()


def test_the_table_and_the_picture(work, tmp_path):
    several, blank, picture = (tmp_path / name for name in ("several.png", "blank.png", "out.png"))
    several.write_bytes(encoded(line_of([7, 2, 4])))
    blank.write_bytes(encoded(np.full((90, 90), 255, np.uint8)))
    result = mnist_exp("predict", "best", str(several), str(blank), "--show", str(picture))
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    assert "nothing drawn" in text
    assert "reads" in text
    with Image.open(picture) as image:
        assert image.size[0] == 900


def test_no_picture_takes_the_place_of_a_photo(work, tmp_path):
    first, second = tmp_path / "first.jpg", tmp_path / "second.jpg"
    for file in (first, second):
        file.write_bytes(encoded(draw(STROKES[7])))
    # As typed by somebody who takes --show for a flag.
    result = mnist_exp("predict", "best", "--show", str(first), str(second))
    assert result.returncode == 2
    assert "Expected --show to be a file that is new" in result.stderr.decode()
    assert first.read_bytes() == second.read_bytes()
    other = mnist_exp("predict", "best", str(first), "--show", "found.txt")
    assert other.returncode == 2
    assert "Received: found.txt. Name it found.png." in other.stderr.decode()
    nowhere = mnist_exp("predict", "best", str(first), "--show", str(tmp_path / "no" / "out.png"))
    assert nowhere.returncode == 2
    assert nowhere.stdout == b""
    assert "Create that folder, or name another." in nowhere.stderr.decode()


def test_names_of_files_are_whole_where_no_terminal_limits_them(work, tmp_path, monkeypatch):
    # GNU readline, which pytest imports, may have set it behind Python's back.
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("COLUMNS")
    file = tmp_path / ("long" * 50 + ".png")
    file.write_bytes(encoded(draw(STROKES[7])))
    assert str(file).encode() in mnist_exp("predict", "best", str(file)).stdout


def test_what_is_no_file_in_a_folder_is_passed_over(work, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "seven.png").write_bytes(encoded(draw(STROKES[7])))
    (folder / "gone\x1b[2J.png").symlink_to("nowhere")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")  # reading it would wait for ever
    [answer] = answers(str(folder))
    assert answer["text"] == "7"


def test_any_name_of_a_file_is_shown_as_it_is(work, tmp_path):
    file, picture = tmp_path / "cost_$5_and_$6\x1b[31m.png", tmp_path / "out.png"
    file.write_bytes(encoded(draw(STROKES[7])))
    result = mnist_exp("predict", "latest", str(file), "--show", str(picture))
    assert result.returncode == 0, result.stderr
    assert b"\x1b" not in result.stdout
    assert picture.exists()


def test_a_folder_and_standard_input(work, tmp_path):
    for name in ("b.png", "a.JPG", "c.jfif", "note.txt", "._a.JPG"):
        (tmp_path / name).write_bytes(encoded(draw(STROKES[7]), "PNG"))
    folder = answers(str(tmp_path))
    assert [Path(answer["image"]).name for answer in folder] == ["a.JPG", "b.png", "c.jfif"]
    [piped] = answers("-", content=encoded(draw(STROKES[7]), "WEBP"))
    assert piped["image"] == "-"
    assert piped["text"] == folder[0]["text"]


def test_one_bad_image_keeps_none_of_the_others_back(work, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(draw(STROKES[7])))
    bad.write_text("not an image")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    result = mnist_exp("predict", "latest", str(bad), "absent", str(good), str(pipe), "--json")
    assert result.returncode == 2
    assert [Path(answer["image"]).name for answer in json.loads(result.stdout)] == ["good.png"]
    absent, piped, text = result.stderr.decode().splitlines()
    assert absent.endswith("Received: absent, which does not exist. Check the path.")
    assert piped.endswith(f"Received: {pipe}, a pipe or a device. Pipe the image to -.")
    assert text.startswith(f"{bad}: Expected a PNG, JPEG, WebP or BMP image.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latest", "absent.png"], "Received: absent.png, which does not exist"),
        (["latest", ""], "Received: an empty name."),
        (["latest", "empty"], "Expected a folder with images"),
        (["latest", "x" * 300], "File name too long"),
        (["nonesuch", "-"], "Expected a run id or its start"),
        (["photo.jpg", "best"], "stands before the images: mnist-exp predict best photo.jpg."),
        (["photo.jpg"], "Received: photo.jpg alone. Write mnist-exp predict best photo.jpg."),
        (["best"], "Received: best alone. Write mnist-exp predict best digit.png."),
    ],
)
def test_wrong_requests(arguments, message, work):
    (work / "empty").mkdir(exist_ok=True)
    result = mnist_exp("predict", *arguments, content=encoded(draw(STROKES[7])))
    assert result.returncode == 2
    assert message in result.stderr.decode()
    assert result.stdout == b""


def test_a_model_that_was_altered_or_lost_is_not_asked(work):
    [file] = work.rglob("export/model.onnx")
    kept = file.read_bytes()
    try:
        file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        result = mnist_exp("predict", "latest", "-", content=encoded(draw(STROKES[7])))
        assert result.returncode == 2
        assert "The record was altered or damaged" in result.stderr.decode()
        file.unlink()
        result = mnist_exp("predict", "latest", "-", content=encoded(draw(STROKES[7])))
        assert result.returncode == 2
        assert "Expected the artifact export/model.onnx" in result.stderr.decode()
    finally:
        file.write_bytes(kept)


def test_the_threshold_travels_with_the_model(work):
    [run] = json.loads(mnist_exp("runs", "--json").stdout)
    assert 0 < run["metrics"]["selective/coverage"] <= 1
    assert run["metrics"]["selective/error"] <= 0.001
    [file] = work.rglob("export/model.onnx")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert float(properties["mnist_exp.threshold"]) == run["metrics"]["selective/threshold"]


def test_whatever_wrote_to_the_store_predict_imports_neither_tensorflow_nor_mlflow():
    smoke = [*SMOKE, "data=digits", "model=seed_mlp"]
    for verb, selector in (
        (["train", *smoke], "latest"),
        (["train", "-m", *smoke, "seed=1"], "latest"),
        (["evaluate", "latest", "--data", "digits"], "latest"),
        (["promote", "latest"], "@champion"),
        (["reproduce", "latest"], "best"),
    ):
        result = mnist_exp(*verb)
        assert result.returncode == 0, result.stderr
        assert imported_by_predict(selector) == set(), verb


def imported_by_predict(selector):
    """Returns which of the large libraries a prediction in a fresh process imports."""
    script = (
        "import sys; from mnist_exp.cli import execute; "
        f"code = execute(['predict', {selector!r}, '-']); "
        "assert code == 0, code; "
        "print(*{'tensorflow', 'keras', 'mlflow', 'matplotlib', 'scipy', 'sklearn'} "
        "& set(sys.modules))"
    )
    image = encoded(draw(STROKES[7]))
    result = python(script, input=image, text=False, fresh=True, check=True)
    return set(result.stdout.decode().splitlines()[-1].split())
