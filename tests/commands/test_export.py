"""`mnist-exp export`, on trained runs: every format in a fresh process without us, and refusals."""

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invoke import mnist_exp, python
from projects import SMOKE, artifacts, change, copied, store

from mnist_exp import data
from mnist_exp.commands.export.formats import FORMATS
from mnist_exp.tracking.mlflow.logged_model import keras_file, model_path
from mnist_exp.tracking.records import RunRecord

TRAIN = ["train", "data=digits", *SMOKE, "training.epochs=8"]
MARGIN = 0.02  # of accuracy, that rounding to 8 bits may cost

# Each loads what was exported, and writes the probabilities of images.npy.
LOADERS = {
    "onnx": """
import onnxruntime
model = onnxruntime.InferenceSession(out)
probabilities = model.run(["probabilities"], {"pixels": images})[0]
""",
    "savedmodel": """
import tensorflow as tf
model = tf.saved_model.load(out)
probabilities = model.serve(images).numpy()
assert {v.dtype for v in model.variables} == {tf.float32}
by_name = model.signatures["serving_default"](pixels=tf.constant(images))
np.testing.assert_allclose(next(iter(by_name.values())), probabilities, atol=1e-6)
""",
    "space": """
import onnxruntime
model = onnxruntime.InferenceSession(out + "/model.onnx")
probabilities = model.run(["probabilities"], {"pixels": images})[0]
""",
    "litert": """
from ai_edge_litert.interpreter import Interpreter
model = Interpreter(out + "/model.tflite")
(pixels,), (output,) = model.get_input_details(), model.get_output_details()
model.resize_tensor_input(pixels["index"], images.shape)
model.allocate_tensors()
model.set_tensor(pixels["index"], images)
model.invoke()
probabilities = model.get_tensor(output["index"])
assert "int8" not in {np.dtype(d["dtype"]).name for d in model.get_tensor_details()}
""",
}
# Runs a command line after the code that is put before it. At its end files may grow again: what
# measures coverage writes then.
COMMAND_LINE = """
import resource, sys
from mnist_exp import cli
code = cli.execute(sys.argv[1:])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
sys.exit(code)
"""
OTHER_WEIGHTS = """
from mnist_exp.core import tensorflow_setup
tensorflow_setup.tensorflow()
import keras
from mnist_exp.models.export import onnx
def with_other_weights(convert):
    def converted(model, *arguments, **options):
        weights = model.get_weights()
        model.set_weights([array + 0.05 for array in weights])
        try:
            return convert(model, *arguments, **options)
        finally:
            model.set_weights(weights)
    return converted
keras.Model.export = with_other_weights(keras.Model.export)
onnx._converted = with_other_weights(onnx._converted)
"""
# No file may grow beyond 20 kB once the model is loaded; more is refused as a full disk refuses it.
FULL_DISK = """
import resource
from mnist_exp.commands.export import export
load = export.load
def load_and_limit(selector):
    source = load(selector)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    return source
export.load = load_and_limit
"""


def export(folder: Path, selector: str, form: str, out: Path) -> subprocess.CompletedProcess:
    return mnist_exp(folder, "export", selector, "--format", form, "--out", str(out))


def run_of(folder: Path, model: str) -> RunRecord:
    found = [run for run in store(folder).search() if not run.is_member]
    (run,) = (run for run in found if run.tags.get("model") == model)
    return run


@pytest.fixture(scope="module")
def finished(gallery) -> Path:
    """A folder with a network that has batch norm, an ensemble, and a run that failed."""

    def make(folder: Path) -> None:
        for model in (["model=fast_cnn"], ["model=seed_mlp", "ensemble.members=2"]):
            mnist_exp(folder, *TRAIN, *model, check=True)
        failing = "from mnist_exp.models import networks\nnetworks.build = None\n" + COMMAND_LINE
        assert python(failing, *TRAIN, "model=mlp", cwd=folder).returncode == 1

    return gallery.once("exported", make)


@pytest.fixture
def project(finished, sealed_environment) -> Path:
    """The test's own copy of that folder, which is the working folder."""
    return copied(finished, sealed_environment)


def splits() -> data.Splits:
    return data.load("digits", seed=0, validation_images=200, train_images=None)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("model", ["fast_cnn", "seed_mlp"])
def test_a_format_loads_without_us_and_gives_what_was_recorded(
    model, form, finished, sealed_environment
):
    run = run_of(finished, model)
    out = sealed_environment / "exported"
    done = export(finished, run.run_id[:12], form, out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == f"{run.name} as {form}: {out}"
    assert "checked on 355 test images of digits: the same digits" in done.stdout
    assert list(sealed_environment.iterdir()) == [out]
    assert out.is_dir() == FORMATS[form].is_folder
    np.save("images.npy", splits().test.images)
    loaded = python(
        "import sys\nimport numpy as np\nout, images = sys.argv[1], np.load('images.npy')\n"
        f"{LOADERS[form]}\n"
        "assert 'mnist_exp' not in sys.modules\n"
        "np.save('received', probabilities)\n",
        out,
        fresh=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    received = np.load("received.npy")
    with np.load(artifacts(finished, run)["predictions/test.npz"]) as recorded:
        expected = recorded["probabilities"]
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=1e-4)
    assert (received.argmax(axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.parametrize("model", ["fast_cnn", "seed_mlp"])
def test_the_small_litert_model_computes_in_integers_as_its_readme_says(
    model, finished, sealed_environment
):
    (sealed_environment / "out").mkdir()  # an empty folder is taken
    done = export(finished, run_of(finished, model).name, "litert", sealed_environment / "out")
    assert done.returncode == 0, done.stderr
    files = {path.name for path in Path("out").iterdir()}
    assert files == {"README.md", "model.tflite", "model_int8.tflite"}
    sizes = [Path("out", f).stat().st_size for f in ("model.tflite", "model_int8.tflite")]
    assert sizes[1] < 0.4 * sizes[0]
    page = Path("out/README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    os.chdir("out")
    test = splits().test
    np.save("images.npy", test.images)
    types = (
        "import json\nprint(json.dumps([np.dtype(d['dtype']).name for d in "
        "Interpreter('model_int8.tflite', experimental_op_resolver_type=OpResolverType."
        "BUILTIN_WITHOUT_DEFAULT_DELEGATES).get_tensor_details()]))\n"
    )
    importing = "from ai_edge_litert.interpreter import OpResolverType\n"
    ran = python(example + importing + types)
    assert ran.returncode == 0, ran.stderr
    *digits, found = ran.stdout.splitlines()
    assert set(json.loads(found)) <= {"int8", "uint8", "int32", "bool"}
    int8 = (np.array(digits, int) == test.labels).mean()
    float32 = run_of(finished, model).metrics["test/accuracy"]
    assert float32 > 0.7
    assert abs(int8 - float32) <= MARGIN
    for text in (page, done.stdout):
        assert f"int8, {int8:.2%} (" in text.replace("| int8 | ", "int8, ")
        assert f"float32, {float32:.2%} (" in text.replace("| float32 | ", "float32, ")


def test_pale_training_images_do_not_change_what_the_int8_model_takes(finished):
    import keras
    from ai_edge_litert.interpreter import Interpreter

    from mnist_exp.models.export.litert import write_litert

    run = run_of(finished, "fast_cnn")
    classifier = keras.saving.load_model(keras_file(model_path(store(finished), run.run_id)))
    found = splits()
    train, test = (data.Split(s.images // 2, s.labels) for s in (found.train, found.test))
    exported = write_litert(classifier, Path("out"), replace(found, train=train, test=test))
    (pixels,) = Interpreter("out/model_int8.tflite").get_input_details()
    assert pixels["quantization"] == (1.0, 0)
    assert abs(exported.int8.correct - exported.float32.correct) <= MARGIN * 355


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("before", "words"),
    [
        (OTHER_WEIGHTS, "export to give the Keras model's probabilities within 0.0001"),
        (FULL_DISK, "Nothing was left there; make room"),
    ],
    ids=["other weights", "full disk"],
)
def test_an_export_that_fails_leaves_nothing(before, words, form, project, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    run = run_of(project, "fast_cnn").name
    out = ("--out", place / "out")
    done = python(before + COMMAND_LINE, "export", run, "--format", form, *out)
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert "defect of mnist-exp:" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert list(place.iterdir()) == []


def test_a_wrong_request_is_refused(finished, sealed_environment):
    there = sealed_environment / "there"
    there.mkdir()
    (there / "file").write_text("kept")
    (sealed_environment / "link").symlink_to("nowhere")
    ours, failed = run_of(finished, "fast_cnn").name, run_of(finished, "mlp").name
    refused = [
        (ours, "onnx", there, "Expected --out to be a file that is new"),
        (ours, "onnx", there / "file", "nothing is overwritten"),
        (ours, "onnx", sealed_environment / "link", "nothing is overwritten"),
        (ours, "litert", there, "a folder that does not exist or is empty"),
        (ours, "savedmodel", there / "file", "a folder that does not exist or is empty"),
        (ours, "savedmodel", Path(), "nothing is overwritten"),
        (ours, "onnx", there / "no" / "out", "No such file or directory. Create that folder"),
        (ours, "litert", there / "file" / "out", "Not a directory"),
        (ours, "onnx", Path("/proc/out"), "in a folder that can be written"),
        (ours, "onxx", there / "out", "'onxx' is not one of 'onnx'"),
        ("no-such-run", "onnx", there / "out", "Expected a run id or its start"),
        (failed, "onnx", there / "out", f"{failed}: failed. Finish it with `mnist-exp resume"),
    ]
    for run, form, out, words in refused:
        done = export(finished, run, form, out)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in there.iterdir()] == ["file"]
    assert (there / "file").read_text() == "kept"
    assert not (sealed_environment / "link").exists()


def test_without_the_extra_it_names_the_command(project):
    absent = "import sys\nsys.modules['ai_edge_litert'] = None\n"
    done = python(
        absent + COMMAND_LINE, "export", "best", "--format", "litert", "--out", "exported"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'mnist-exp[litert]'" in done.stderr
    assert not Path("exported").exists()


def test_a_model_that_is_not_the_one_measured_is_refused(project):
    import keras

    run = run_of(project, "fast_cnn")
    file = keras_file(model_path(store(project), run.run_id))
    model = keras.saving.load_model(file)
    weights = model.get_weights()
    model.set_weights([*weights[:-1], weights[-1] + 1e-6])
    model.save(file)
    altered = export(project, run.name, "onnx", Path("exported"))
    assert altered.returncode == 1
    assert run.tags["mnist_exp.weights_sha256"] in altered.stderr
    assert "The file was altered" in altered.stderr
    for verb in ("evaluate", "promote"):
        refused = mnist_exp(project, verb, run.name)
        assert (refused.returncode, "The file was altered" in refused.stderr) == (1, True), verb
    assert not store(project).client.search_registered_models()
    file.write_bytes(file.read_bytes()[:1000])
    damaged = export(project, run.name, "onnx", Path("exported"))
    assert damaged.returncode == 1
    assert f"Expected the Keras model of run {run.name}" in damaged.stderr
    assert "Traceback" not in damaged.stderr
    assert not Path("exported").exists()


def test_other_data_than_the_run_had_are_refused(project):
    run = run_of(project, "fast_cnn")
    tag = "tags SET value = ? WHERE key = 'mnist_exp.data_sha256' AND run_uuid = ?"
    change(project, tag, ("0" * 64, run.run_id))
    done = export(project, run.name, "savedmodel", Path("exported"))
    assert done.returncode == 2
    assert f"Expected the data of run {run.name}, with SHA-256 {'0' * 64}" in done.stderr
    assert not Path("exported").exists()


def test_help_and_refusals_import_nothing_heavy():
    code = (
        "import io, sys\n"
        "from contextlib import redirect_stderr, redirect_stdout\n"
        "from mnist_exp import cli\n"
        "with redirect_stdout(io.StringIO()) as page, redirect_stderr(io.StringIO()):\n"
        "    assert cli.execute(['export', '--help']) == 0\n"
        "    assert cli.execute(['export', 'best', '--format', 'x', '--out', 'y']) == 2\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'onnx', 'onnxruntime', 'ai_edge_litert'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "print(page.getvalue())\n"
    )
    shown = python(code, fresh=True)
    assert shown.returncode == 0, shown.stderr
    assert f"[{'|'.join(FORMATS)}]" in shown.stdout
