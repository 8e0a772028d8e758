"""Components of a user's own: from a file, from an installed package, with every promise."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import environments
import pytest
import waiting
from drawn import encoded
from invoke import mnist_exp, python
from projects import SMOKE, artifact, only_run, store

from mnist_exp import data
from mnist_exp.tracking.names import COMPONENTS_TAG

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
RESNET = ("data=digits", *SMOKE, "model=resnet", "model.widths=[4,8]")

# Each breaks one promise: group -> name -> the function, and what is said of it.
BROKEN = {
    ("model", "unseeded"): (
        """
class Noise(keras.layers.Layer):
    def call(self, x, training=None):
        return x + tf.random.normal(tf.shape(x), dtype=x.dtype) if training else x
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), Noise(),
                         keras.layers.Dense(10)])
""",
        "other weights each time",
    ),
    ("model", "drawn"): (
        """
kernel = keras.initializers.Constant(np.random.normal(size=(784, 10)))
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(),
                         keras.layers.Dense(10, kernel_initializer=kernel)])
""",
        "first weights are others each time",
    ),
    ("model", "nine"): (
        """
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(),
                         keras.layers.Dense(9)])
""",
        "from (None, 28, 28, 1) to (None, 9)",
    ),
    ("model", "custom"): (
        """
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), Twice(),
                         keras.layers.Dense(10)])
""",
        "cannot be loaded without this code",
    ),
    ("augmentation", "forgetful"): (
        "return lambda images, seed: images * tf.random.uniform([])",
        "other images for the same seed",
    ),
    ("augmentation", "narrow"): (
        "return lambda images, seed: images[:, :20]",
        "not float32 [16, 28, 28, 1]",
    ),
    ("loss", "endless"): (
        "return lambda targets, logits: tf.reduce_sum(targets * logits, axis=1) / 0",
        "not finite",
    ),
    ("metric", "moody"): ("", "for the same predictions"),
    ("optimizer", "absent"): ("return keras.optimizers.Nothing()", "it raises AttributeError"),
}
# Valid, however odd.
WHOLE = {
    ("model", "ones"): """
x = keras.layers.Dense(8, kernel_initializer="ones")(keras.layers.Flatten()(
    image := keras.Input((28, 28, 1))))
x = keras.layers.BatchNormalization(scale=False)(x)
return keras.Model(image, keras.layers.Dense(10, kernel_initializer="ones")(x))
""",
    ("augmentation", "halves"): """
return lambda images, seed: tf.where(
    tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5, 255 - images, images)
""",
}


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with the example's components, which its pyproject.toml names."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / "components", folder)
    (folder / "pyproject.toml").write_text('[tool.mnist_exp]\ncomponents = "components.py"\n')
    return folder


def functions(bodies) -> str:
    """A file of components, each without arguments."""
    lines = ["from mnist_exp.extend import augmentation, loss, model, optimizer"]
    for (group, name), body in bodies.items():
        if group == "metric":
            lines += ["import random", "from mnist_exp.extend import metric", f"@metric({name!r})"]
            lines += [f"def {name}(probabilities, labels): return random.random()"]
            continue
        lines += [f"@{group}({name!r})", f"def {name}():"]
        body_lines = ["import keras, numpy as np, tensorflow as tf", *body.strip().splitlines()]
        lines += [f"    {line}" for line in body_lines]
    return "\n".join(lines) + "\n"


def written(folder: Path, bodies) -> Path:
    """A file of components, with their YAML beside it."""
    for group, name in bodies:
        if group == "metric":
            continue
        (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
        (folder / "conf" / group / f"{name}.yaml").write_text(f"name: {name}\n")
    file = folder / "own.py"
    file.write_text(functions(bodies))
    return file


def test_a_model_of_ones_own_is_recorded_reproduced_and_named_when_it_changes(project):
    done = mnist_exp(project, "train", *RESNET, check=True)
    assert "resnet-" in done.stderr + done.stdout
    run = only_run(project)
    assert run.params["model.widths"] == "[4, 8]"
    (digest,) = json.loads(run.tags[COMPONENTS_TAG]).values()
    text = (project / "components.py").read_text()
    recorded = artifact(store(project), run.run_id, "source/components/components.py")
    assert recorded.read_text() == text

    same = mnist_exp(project, "reproduce", run.run_id)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "Verdict: identical." in same.stdout

    (project / "components.py").write_text(text.replace("width // 2, 3", "width // 2, 5"))
    other = mnist_exp(project, "reproduce", run.run_id, "--check-only")
    assert other.returncode == 3
    assert re.search(
        rf"^components components.py +{digest[:12]} +\w{{12}} *$", other.stdout, re.MULTILINE
    )

    then = mnist_exp(project, "reproduce", run.run_id, "--apply-components")
    assert then.returncode == 0, then.stdout + then.stderr
    assert '@model("resnet", rule=even)' in then.stderr

    # A run of somebody's is told without its components, and nothing of them is loaded.
    (project / "pyproject.toml").unlink()
    alone = mnist_exp(project, "reproduce", run.run_id)
    assert alone.returncode == 2
    assert "components components.py" in alone.stdout
    assert "not loaded" in alone.stdout
    assert "resnet" in alone.stderr
    for verb in (("evaluate",), ("export", "--format", "onnx", "--out", "m")):
        unnamed = mnist_exp(project, verb[0], run.run_id, *verb[1:])
        assert unnamed.returncode == 2
        remedy = "It was made with components.py: name such a file with --components FILE."
        assert unnamed.stderr.strip().endswith(remedy)


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


def test_components_that_are_not_named_or_have_no_values_are_told_of(project):
    (project / "pyproject.toml").unlink()
    unnamed = mnist_exp(project, "train", *RESNET)
    assert unnamed.returncode == 2
    assert "write --components=components.py model=resnet." in unnamed.stderr
    (project / "conf/model/resnet.yaml").unlink()
    bare = mnist_exp(project, "train", "--components=components.py", *RESNET)
    assert bare.returncode == 2
    assert "Its values are missing: write model/resnet.yaml in conf/." in bare.stderr


def test_rules_and_limits_of_ones_own_are_checked_with_all_others(project):
    wrong = ("model.widths=[3]", "training.epochs=0", "optimizer.lr=1")
    done = mnist_exp(project, "train", *RESNET[:-1], *wrong)
    assert done.returncode == 2
    assert "model.widths: Expected even numbers. Received: [3]." in done.stderr
    assert "training.epochs: Expected a whole number >= 1" in done.stderr
    limits = mnist_exp(project, "train", *RESNET, "model.dropout=1")
    assert "model.dropout: Expected a number >= 0 and < 1. Received: 1." in limits.stderr
    assert not (project / "outputs").exists()


def test_every_worker_of_a_sweep_has_them(project, tmp_path):
    launcher = ("hydra/launcher=parallel", "hydra.launcher.n_jobs=2")
    file = project / "components.py"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mnist_exp(
        elsewhere, "train", "-m", "--components", str(file), *RESNET, "seed=0,1", *launcher,
        check=True,
    )  # fmt: skip
    runs = [run for run in store(elsewhere).search() if not run.is_sweep]
    assert {run.outcome for run in runs} == {"finished"}
    assert all(COMPONENTS_TAG in run.tags for run in runs)
    again = ("train", "-m", "--components", str(file), *RESNET, "seed=0,1", "--dry-run")
    assert "other code" not in mnist_exp(elsewhere, *again, check=True).stderr
    file.write_text(file.read_text() + "# another file\n")
    assert "2 of those done were run by other code" in mnist_exp(elsewhere, *again).stderr


JOB = """
import sys
from pathlib import Path
import cloudpickle
from mnist_exp.config import places, sources
from mnist_exp.config.compose import compose
if sys.argv[2:]:
    sources.use(Path(sys.argv[2]))
    from mnist_exp.runs.job import Job
    Path(sys.argv[1]).write_bytes(cloudpickle.dumps(Job(show=True)))
else:
    job = cloudpickle.loads(Path(sys.argv[1]).read_bytes())
    print(job.show, compose(["model=resnet"]).config.model.widths, places.flags)
"""


def test_a_job_takes_them_along_to_the_workers_of_any_launcher(project, tmp_path):
    packed = tmp_path / "job"
    elsewhere = {"cwd": tmp_path, "check": True}
    python(JOB, packed, project / "components.py", **elsewhere)
    flag = f"--components={project / 'components.py'}"
    assert python(JOB, packed, **elsewhere).stdout == f"True (16, 32, 64) [{flag!r}]\n"


def test_promises_that_are_broken_are_told_and_odd_components_keep_them(project):
    (project / "bodies").mkdir()
    bodies = {**{key: body for key, (body, _) in BROKEN.items()}, **WHOLE}
    file = written(project / "bodies", bodies)
    done = mnist_exp(project, "check", str(file))
    assert done.returncode == 1
    said, key = {}, ()
    for line in done.stdout.splitlines():
        if not line.startswith("  "):
            key = tuple(line.split("="))
        said.setdefault(key, []).append(line)
    said["metric", "moody"] = said.pop(("metrics", "[moody]"))
    assert said.keys() == bodies.keys()
    for key, (_, words) in BROKEN.items():
        assert words in said[key][-1], said[key]
        assert said[key][-1].startswith("  broken: ")
    for key in WHOLE:
        assert not any("broken" in line for line in said[key])


def test_a_broken_promise_keeps_a_run_from_beginning(project):
    file = written(project, {("augmentation", "narrow"): BROKEN["augmentation", "narrow"][0]})
    own = ("--components", str(file), "augmentation=narrow")
    done = mnist_exp(project, "train", *RESNET[:-2], *own)
    assert done.returncode == 2
    assert "an augmentation is a function of its seed" in done.stderr
    assert not list((project / "outputs").glob("*"))
    sweep = mnist_exp(project, "train", "-m", *RESNET[:-2], *own, "seed=0,1", "model=mlp,seed_mlp")
    assert sweep.returncode == 2
    assert sweep.stderr.count("Trying the components of your own, once") == 1
    assert "an augmentation is a function of its seed" in sweep.stderr
    assert "Traceback" not in sweep.stderr
    assert not list((project / "outputs").glob("*"))
    assert not (project / "mlflow.db").exists()


DATA = """
from mnist_exp.extend import Fraction, Official, Split, dataset
@dataset("dots")
def dots(*, ink: Fraction):
    import numpy as np
    labels = (np.arange(300) % 10).astype(np.uint8)
    images = np.zeros((300, 28, 28), np.uint8)
    images[np.arange(300), 10 + labels, 10] = int(255 * ink)
    return Official(Split(images, labels), Split(images, labels), "dots")
"""


def test_a_data_set_of_ones_own_is_checked_recorded_and_found_again(project):
    (project / "components.py").write_text(DATA)
    (project / "conf" / "data").mkdir()
    section = "validation_images: 50\ntrain_images: null\nsplit_seed: null\n"
    (project / "conf" / "data" / "pale.yaml").write_text(f"name: dots\n{section}ink: 0.5\n")
    own = (*SMOKE, "model=mlp", "data=pale", "data.ink=0.75")
    many = mnist_exp(project, "train", *own, "data.validation_images=300")
    assert many.returncode == 2
    assert "Expected data.validation_images < 300" in many.stderr
    assert not (project / "outputs").exists()

    mnist_exp(project, "train", *own, check=True)
    same = mnist_exp(project, "reproduce", "latest", "--check-only")
    assert same.returncode == 0, same.stdout + same.stderr

    floats = DATA.replace("28, 28), np.uint8", "28, 28), float")
    (project / "components.py").write_text(floats)
    wrong = mnist_exp(project, "train", *own)
    assert wrong.returncode == 2
    assert "Received: float64 [300, 28, 28] as images of train" in wrong.stderr


HEAD = "from mnist_exp.extend import BelowOne, metric, model\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", "line 1"),
        ("x = = 1", "line 1"),
        (HEAD + '@model("cnn")\ndef cnn(): ...', "Received: that of a built-in one"),
        (HEAD + '@model("own")\ndef own(*, dropout: BelowOne = 0.5): ...', "which has a default"),
        (HEAD + '@model("own")\ndef own(*, dropout): ...', "which has no type"),
        (HEAD + '@model("own")\ndef own(dropout: BelowOne): ...', "put `*` before the first"),
        (HEAD + '@model("own")\ndef own(*, seed: int): ...', "whose name is taken"),
        (HEAD + '@model("own")\ndef own(*, kind: object()): ...', "that pydantic checks"),
        (HEAD + '@metric("loss")\ndef loss(p, y): ...', "Expected the name of a metric"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_in_a_sentence(text, words, project):
    (project / "components.py").write_text(text + "\n")
    done = mnist_exp(project, "train", *RESNET)
    assert done.returncode == 2
    assert words in done.stderr
    assert "components.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_keras_at_the_top_of_a_file_is_refused(project):
    """It would be set up before a run has said how."""
    (project / "components.py").write_text("import keras\n")
    done = mnist_exp(project, "train", *RESNET, fresh=True)
    assert done.returncode == 2
    assert "Received: one at its top" in done.stderr


def test_a_file_that_is_not_there(project):
    done = mnist_exp(project, "train", "--components", "absent.py", *RESNET)
    assert done.returncode == 2
    assert "Expected a Python file of components. Received: absent.py" in done.stderr


def test_a_program_registers_its_own(sealed_environment):
    program = """
import mnist_exp
from mnist_exp.extend import Widths, model

@model("one_layer")
def one_layer():
    import keras
    return keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )

if __name__ == "__main__":
    run = mnist_exp.run("data=digits", "training=smoke", "model=one_layer")
    print(run.config.model.name, 0 < run.metrics["test/accuracy"] < 1)
"""
    Path("program.py").write_text(program)
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/one_layer.yaml").write_text("name: one_layer\n")
    done = python("import runpy; runpy.run_path('program.py', run_name='__main__')", check=True)
    assert done.stdout.endswith("one_layer True\n")


def test_metrics_are_recorded_and_compared(sealed_environment):
    folder = sealed_environment
    own = ("data=digits", *SMOKE, "model=mlp", "metrics=[macro_f1,top_2]")
    mnist_exp(folder, "train", *own, check=True)
    metrics = only_run(folder).metrics
    for split in ("val", "test"):
        assert metrics[f"{split}/accuracy"] < metrics[f"{split}/top_2"] <= 1
        assert 0 < metrics[f"{split}/macro_f1"] < 1
    table = mnist_exp(folder, "compare", check=True).stdout
    assert "test/macro_f1" in table
    wrong = mnist_exp(folder, "train", "metrics=[f1]")
    assert wrong.returncode == 2
    assert "metrics: Expected a list of one of macro_f1, top_2" in wrong.stderr


def built(folder: Path, target: Path) -> Path:
    """The wheel of a project."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def test_an_installed_package_brings_components_and_their_options(tmp_path, monkeypatch):
    package = shutil.copytree(EXAMPLES / "package", tmp_path / "package")
    site = tmp_path / "site"
    wheel = built(package, tmp_path / "wheels")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    work = tmp_path / "work"
    own = ("data=digits", *SMOKE, "model=mlp", "loss=generalized")
    mnist_exp(work, "train", *own, "metrics=[worst_digit]", check=True)
    run = only_run(work)
    assert run.params["loss.power"] == "0.5"
    assert 0 <= run.metrics["test/worst_digit"] < run.metrics["test/accuracy"]
    assert list(json.loads(run.tags[COMPONENTS_TAG])) == ["digit-components 0.1.0"]
    done = mnist_exp(work, "reproduce", "latest")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long("components of one's own from the wheel: swept, killed, resumed, reproduced")
@pytest.mark.timeout(900)  # of a dozen commands in fresh processes
def test_from_the_wheel_in_an_empty_environment(tmp_path):
    """Every promise that built-in ones have, where the checkout is out of sight."""
    environment = environments.empty(tmp_path / "venv", with_dependencies=True)
    install = [environment, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    package = shutil.copytree(EXAMPLES / "package", tmp_path / "package")
    for name, folder in (("ours", EXAMPLES.parent), ("theirs", package)):
        subprocess.run([*install, built(folder, tmp_path / name)], check=True)
    work = shutil.copytree(EXAMPLES / "components", tmp_path / "fresh")
    (work / "pyproject.toml").write_text('[tool.mnist_exp]\ncomponents = "components.py"\n')
    program = environment.with_name("mnist-exp")
    places = {"cwd": work, "env": {"PATH": os.defpath, "HOME": str(tmp_path)}}

    def run(*arguments: str, code: int = 0) -> str:
        command = [program, *arguments]
        done = subprocess.run(command, **places, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    small = ("data=digits", *SMOKE, "model=resnet", "training.epochs=40")
    own = (*small, "metrics=[macro_f1,worst_digit]")
    run("train", "-m", *own, "loss=focal,generalized", "seed=0,1")
    table = run("compare")
    assert "test/macro_f1" in table
    assert "test/worst_digit" in table

    process = subprocess.Popen([program, "train", *own, "loss=focal", "seed=7"], **places)
    checkpoints = "outputs/*/checkpoints/last.npz"
    waiting.until(lambda: [*work.glob(checkpoints)], process=process, what="no checkpoint")
    process.kill()
    process.wait()
    run("resume", "latest")
    assert "Verdict: identical." in run("reproduce", "latest")
    run("export", "latest", "--format", "onnx", "--out", "model.onnx")

    file = work / "components.py"
    file.write_text(file.read_text().replace("width // 2, 3", "width // 2, 1"))
    table = run("reproduce", "best", "--check-only", code=3)
    assert re.search(
        r"^components components.py +[0-9a-f]{12} +[0-9a-f]{12} *$", table, re.MULTILINE
    )
