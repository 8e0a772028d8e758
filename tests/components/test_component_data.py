"""Data sets of a user's own."""

import shutil

from drawn import encoded
from invoke import mnist_exp
from own_components import EXAMPLES
from projects import SMOKE, only_run

from mnist_exp import data


def test_a_folder_of_pictures_is_a_data_set(tmp_path):
    digits = data.load("digits", seed=0, validation_images=200, train_images=500)
    for part, split in (("train", digits.train), ("test", digits.validation)):
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            folder = tmp_path / "pictures" / part / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:03}.png").write_bytes(encoded(image))
    components = ("--components", str(EXAMPLES / "pictures" / "components.py"))
    own = ("data=pictures", "data.root=pictures", "data.validation_images=100", *SMOKE)
    mnist_exp(tmp_path, "train", *components, *own, "model=mlp", check=True)
    run = only_run(tmp_path)
    assert (run.tags["data"], run.outcome) == ("pictures", "finished")
    # An option of any name has the same data, in any place.
    shutil.copytree(EXAMPLES / "pictures", tmp_path / "own")
    options = tmp_path / "own" / "conf" / "data"
    (options / "pictures.yaml").rename(options / "scans.yaml")
    shutil.copytree(tmp_path / "pictures", tmp_path / "moved")
    own_components = ("--components", str(tmp_path / "own" / "components.py"))
    measured = ("--data", "mnist_c", "data.root=moved")
    mnist_exp(tmp_path, "evaluate", "latest", *own_components, *measured, check=True)
    shutil.rmtree(tmp_path / "pictures" / "test" / "9")
    refused = mnist_exp(tmp_path, "train", *components, *own, "model=mlp")
    assert refused.returncode == 1
    assert "pictures/test/9" in refused.stderr
    assert "Traceback" not in refused.stderr


DATA = """
from pathlib import Path
from mnist_exp.extend import Fraction, Official, Split, dataset
@dataset("dots")
def dots(*, ink: Fraction, root: Path):
    import numpy as np
    assert root.is_dir(), root
    labels = (np.arange(300) % 10).astype(np.uint8)
    images = np.zeros((300, 28, 28), np.uint8)
    images[np.arange(300), 10 + labels, 10] = int(255 * ink)
    return Official(Split(images, labels), Split(images, labels), root)
"""


def test_a_data_set_of_ones_own_is_checked_recorded_and_found_again(project):
    (project / "components.py").write_text(DATA)
    (project / "conf" / "data").mkdir()
    section = "validation_images: 50\ntrain_images: null\nsplit_seed: null\nroot: '~'\n"
    (project / "conf" / "data" / "pale.yaml").write_text(f"name: dots\n{section}ink: 0.5\n")
    own = (*SMOKE, "model=mlp", "data=pale", "data.ink=0.75")
    many = mnist_exp(project, "train", *own, "data.validation_images=300")
    assert many.returncode == 2
    assert "Expected data.validation_images < 300" in many.stderr
    assert not (project / "outputs").exists()

    mnist_exp(project, "train", *own, check=True)
    same = mnist_exp(project, "reproduce", "latest", "--check-only")
    assert same.returncode == 0, same.stdout + same.stderr

    pyproject = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").unlink()
    alone = mnist_exp(project, "reproduce", "latest", "--check-only")
    assert alone.returncode == 2
    assert "Expected the data set dots of run " in alone.stderr
    assert "name such a file with --components FILE." in alone.stderr
    (project / "pyproject.toml").write_text(pyproject)

    floats = DATA.replace("28, 28), np.uint8", "28, 28), float")
    (project / "components.py").write_text(floats)
    wrong = mnist_exp(project, "train", *own)
    assert wrong.returncode == 2
    assert "Received: float64 [300, 28, 28] as images of train" in wrong.stderr
