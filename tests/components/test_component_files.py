"""Components of a user's own in a file: recorded, reproduced, taken along, refused."""

import json
import re

import pytest
from invoke import mnist_exp, python
from own_components import RESNET
from projects import SMOKE, artifact, only_run, store

from mnist_exp.tracking.names import COMPONENTS_TAG


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
    for verb in (("resume",), ("evaluate",), ("export", "--format", "onnx", "--out", "m")):
        unnamed = mnist_exp(project, verb[0], run.run_id, *verb[1:])
        assert unnamed.returncode == 2
        remedy = "It was made with components.py: name such a file with --components FILE."
        assert unnamed.stderr.strip().endswith(remedy)


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


LISTS = """
from mnist_exp.extend import model
@model("lists")
def lists(*, pair: tuple[int, int], mixed: tuple[float, str], many: list[int]): ...
"""


def test_a_list_is_told_as_it_is_to_be(project):
    (project / "components.py").write_text(LISTS)
    values = "name: lists\npair: [1, 2]\nmixed: [1.0, a]\nmany: [1]\n"
    (project / "conf" / "model" / "lists.yaml").write_text(values)
    wrong = ("model.pair=[1]", "model.mixed=[a,b]", "model.many=[a]")
    done = mnist_exp(project, "train", "model=lists", *wrong)
    assert done.returncode == 2
    assert "model.pair: Expected a list of 2 whole numbers. Received: [1]." in done.stderr
    assert "model.mixed: Expected a list of 2 values: a number, text. Received: " in done.stderr
    assert 'model.many: Expected a list of whole numbers. Received: ["a"].' in done.stderr


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


def test_metrics_are_recorded_and_compared(sealed_environment):
    folder = sealed_environment
    own = ("data=digits", *SMOKE, "model=mlp", "metrics=[macro_f1,top_2]")
    shown = mnist_exp(folder, "train", *own, check=True).stdout
    metrics = only_run(folder).metrics
    assert f"test macro_f1 │ {metrics['test/macro_f1']:.4f}" in " ".join(shown.split())
    for split in ("val", "test"):
        assert metrics[f"{split}/accuracy"] < metrics[f"{split}/top_2"] <= 1
        assert 0 < metrics[f"{split}/macro_f1"] < 1
    table = mnist_exp(folder, "compare", check=True).stdout
    assert "test/macro_f1" in table
    mnist_exp(folder, "evaluate", "latest", check=True)
    again = only_run(folder).metrics
    for name in ("macro_f1", "top_2"):
        assert again[f"evaluate/digits/{name}"] == pytest.approx(metrics[f"test/{name}"])
    wrong = mnist_exp(folder, "train", "metrics=[f1]")
    assert wrong.returncode == 2
    assert "metrics: Expected a list of one of macro_f1, top_2" in wrong.stderr


HEAD = "from mnist_exp.extend import BelowOne, metric, model\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", "line 1. A file is loaded alone"),
        ("x = = 1", "line 1"),
        (HEAD + '@model("cnn")\ndef cnn(): ...', "Received: that of a built-in one"),
        (HEAD + '@model("own")\ndef own(*, dropout: BelowOne = 0.5): ...', "which has a default"),
        (HEAD + '@model("own")\ndef own(*, dropout): ...', "which has no type"),
        (HEAD + '@model("own")\ndef own(dropout: BelowOne): ...', "put `*` before the first"),
        (HEAD + '@model("own")\ndef own(**more: int): ...', "which takes any name; name each"),
        (HEAD + '@model("own")\ndef own(*, seed: int): ...', "whose name is taken"),
        (HEAD + "@model\ndef own(): ...", 'Received: a function. Write @model("NAME").'),
        (HEAD + '@model("../own")\ndef own(): ...', "Received: '../own'. Write @model"),
        (HEAD + "@metric\ndef own(p, y): ...", 'Received: a function. Write @metric("NAME").'),
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


MODULE = """
from mnist_exp.extend import Width, metric, model

@model("mine")
def mine(*, units: Width):
    return None

@metric("share")
def share(probabilities, labels):
    return 1.0
"""
PROMPT = """
import importlib, sys
sys.path.insert(0, ".")
from pathlib import Path
from mnist_exp.core.errors import RequestError
from mnist_exp.extend import Width, model
import parts
importlib.reload(parts)
Path("parts.py").write_text("# changed\\n" + Path("parts.py").read_text())
importlib.reload(parts)
Path("others.py").write_text(Path("parts.py").read_text())
text = Path("parts.py").read_text().replace("mine", "own").replace("share", "part")
Path("twice.py").write_text(text * 2)
for name in ("others", "twice"):
    try:
        importlib.import_module(name)
    except RequestError as problem:
        print(problem)
cell = "@model('typed')\\ndef typed(*, units: Width): ..."
for module in (__name__, None):
    try:
        exec(compile(cell, "/tmp/ipykernel_1/123.py", "exec"),
             {"__name__": module, "model": model, "Width": Width})
    except RequestError as problem:
        print(problem)
"""


def test_a_module_may_be_imported_anew_and_a_cell_of_a_notebook_is_told_what_to_do(project):
    (project / "parts.py").write_text(MODULE)
    done = python(PROMPT, cwd=project, check=True)
    others, twice, *typed = done.stdout.splitlines()
    assert "a name of its own for model mine. Received: that of one of parts.py" in others
    assert "a name of its own for model own. Received: that of one of twice.py" in twice
    assert len(typed) == 2
    assert all("typed at a prompt or in a notebook" in line for line in typed)
