"""Ensembles, really trained: members as runs of their own, one model, what a kill leaves of it."""

import json
import random
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import waiting
import yaml
from invoke import LIMIT_SECONDS, Process, mnist_exp, python, start
from journals import damaged
from projects import ENSEMBLE, EPOCHS, MEMBER, artifacts, copied, history, store

from mnist_exp import data
from mnist_exp.tracking.mlflow.logged_model import keras_file, model_path
from mnist_exp.tracking.records import RunRecord

MEMBERS = 2
WEIGHTS = "mnist_exp.weights_sha256"


def train(folder: Path, *arguments: str) -> None:
    done = mnist_exp(folder, "train", *arguments)
    assert done.returncode == 0, done.stderr
    assert "MLflow did not take" not in done.stderr


def runs(folder: Path) -> tuple[RunRecord, list[RunRecord]]:
    """Returns the ensemble of a folder, and its members in their order."""
    found = list(store(folder).search())
    (ensemble,) = (run for run in found if run.params["ensemble.members"] != "1")
    members = sorted((run for run in found if run.is_member), key=lambda run: run.name)
    assert len(found) == 1 + len(members)
    return ensemble, members


def probabilities(folder: Path, run: RunRecord) -> np.ndarray:
    with np.load(artifacts(folder, run)["predictions/test.npz"], allow_pickle=False) as stored:
        return stored["probabilities"]


@pytest.fixture(scope="module")
def finished(ensemble) -> Path:
    """A folder with one ensemble, which no test changes."""
    return ensemble


@pytest.fixture
def project(finished, sealed_environment) -> Path:
    """The test's own copy of that folder, which is the working folder."""
    return copied(finished, sealed_environment)


def test_members_are_runs_of_their_own(finished):
    ensemble, members = runs(finished)
    assert [run.name for run in members] == [f"{ensemble.name}-{i}" for i in range(MEMBERS)]
    for seed, run in enumerate(members, start=MEMBERS):  # of the seed 1
        assert (run.status, run.outcome) == ("FINISHED", "finished")
        assert run.tags["mlflow.parentRunId"] == ensemble.run_id
        assert run.tags["mnist_exp.ensemble"] == ensemble.job_id
        assert run.params["data.split_seed"] == "1"
        assert run.params["seed"] == str(seed)
        assert run.tags["model"] == "mlp"
        own = [f"seed={seed}", "data.split_seed=1", "ensemble.members=1"]
        overrides = yaml.safe_load(artifacts(finished, run)["config/overrides.yaml"].read_text())
        assert overrides == [*MEMBER, *own]
        assert len(history(finished, run, "val/loss")) == EPOCHS
    assert not list(finished.glob("outputs/**/last.npz"))


def test_a_member_is_what_its_command_trains(finished, sealed_environment):
    member = runs(finished)[1][1]
    overrides = yaml.safe_load(artifacts(finished, member)["config/overrides.yaml"].read_text())
    train(sealed_environment, *overrides)
    (alone,) = store(sealed_environment).search()
    assert alone.tags[WEIGHTS] == member.tags[WEIGHTS]
    assert alone.tags["mnist_exp.config_sha256"] == member.tags["mnist_exp.config_sha256"]
    assert alone.params == member.params
    assert alone.metrics["test/loss"] == member.metrics["test/loss"]


def test_the_ensemble_has_the_mean_of_their_probabilities(finished):
    ensemble, members = runs(finished)
    assert (ensemble.status, ensemble.outcome) == ("FINISHED", "finished")
    mean = np.mean([probabilities(finished, run) for run in members], axis=0)
    np.testing.assert_allclose(probabilities(finished, ensemble), mean, atol=1e-6)
    metrics = ensemble.metrics
    for name in ("model/parameters", "time/fit_seconds"):
        assert metrics[name] == pytest.approx(sum(run.metrics[name] for run in members))
    assert metrics["time/fit_seconds"] < metrics["time/total_seconds"]
    assert metrics["val/accuracy"] == metrics["chosen/val_accuracy"]
    # As Jensen's inequality has it.
    assert metrics["test/loss"] < np.mean([run.metrics["test/loss"] for run in members])
    assert "probabilities averaged over 2 networks" in ensemble.tags["mlflow.note.content"]


def test_it_is_one_model_that_loads_without_us(finished, sealed_environment):
    import onnxruntime

    ensemble = runs(finished)[0]
    expected = probabilities(finished, ensemble)
    splits = data.load("digits", seed=0, validation_images=0, train_images=None)
    runtime = onnxruntime.InferenceSession(artifacts(finished, ensemble)["export/model.onnx"])
    (received,) = runtime.run(["probabilities"], {"pixels": splits.test.images})
    np.testing.assert_allclose(received, expected, atol=1e-5)
    np.save("images.npy", splits.test.images)
    folder = model_path(store(finished), ensemble.run_id)
    program = (
        "import sys, keras, mlflow, numpy as np\n"
        "images = np.load('images.npy')\n"
        f"by_keras = keras.saving.load_model({str(keras_file(folder))!r})\n"
        f"by_mlflow = mlflow.pyfunc.load_model({str(folder)!r})\n"
        "np.savez('received', by_keras.predict(images, verbose=0), by_mlflow.predict(images))\n"
        "assert 'mnist_exp' not in sys.modules\n"
    )
    python(program, fresh=True, check=True)
    with np.load("received.npz") as stored:
        for name in stored.files:
            np.testing.assert_allclose(stored[name], expected, atol=1e-5)


def test_it_is_measured_again_and_reproduced(project):
    ensemble, members = runs(project)
    again = mnist_exp(project, "evaluate", "latest")
    assert again.returncode == 0, again.stderr
    measured = store(project).get(ensemble.run_id).metrics
    assert measured["evaluate/digits/loss"] == measured["test/loss"]
    done = mnist_exp(project, "reproduce", ensemble.name)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Verdict: identical." in done.stdout
    found = list(store(project).search())
    assert len(found) == 2 * (1 + MEMBERS)
    (rerun,) = (run for run in found if "mnist_exp.reproduces" in run.tags)
    assert rerun.tags[WEIGHTS] == ensemble.tags[WEIGHTS]
    own = [run for run in found if run.tags.get("mnist_exp.ensemble") == rerun.job_id]
    assert {run.tags[WEIGHTS] for run in own} == {run.tags[WEIGHTS] for run in members}


def test_a_member_is_reproduced_alone(project):
    member = runs(project)[1][1]
    done = mnist_exp(project, "reproduce", member.name)
    assert done.returncode == 0, done.stderr
    assert "Verdict: identical." in done.stdout


def test_what_is_said_of_members(project):
    ensemble, members = runs(project)
    listed = mnist_exp(project, "runs").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == [
        *(run.name for run in reversed(members)),
        ensemble.name,
    ]
    assert "2 x mlp" in listed[-1]
    for word in ("latest", "best"):
        shown = mnist_exp(project, "reproduce", word, "--check-only").stdout
        assert shown.startswith(f"{ensemble.name},"), word
    refused = mnist_exp(project, "resume", members[0].name)
    assert refused.returncode == 2
    assert f"`mnist-exp resume {ensemble.name}`" in refused.stderr
    alone = mnist_exp(project, "compare", "--csv")
    assert len(alone.stdout.splitlines()) == 2
    assert "trained for an ensemble: compared where named" in alone.stderr
    names = [ensemble.name, *(run.name for run in members)]
    both = mnist_exp(project, "compare", *names, "--csv").stdout.splitlines()
    assert len(both) == 3


def wait_for(folder: Path, member: int, text: str, process: Process) -> Path:
    """Waits until the journal of a member holds a text; returns the job folder of the ensemble."""
    found = waiting.for_journal(folder, text, process=process, jobs=f"*/members/{member}")
    return found.parents[1]


def events(job_dir: Path) -> list[str]:
    lines = (job_dir / "journal.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def check_like_uninterrupted(folder: Path, finished: Path) -> None:
    ensemble, members = runs(folder)
    reference, references = runs(finished)
    for run, other in zip([ensemble, *members], [reference, *references], strict=True):
        assert (run.status, run.outcome) == ("FINISHED", "finished")
        assert run.tags[WEIGHTS] == other.tags[WEIGHTS]
        assert run.metrics["test/loss"] == other.metrics["test/loss"]
        assert run.metrics["val/loss"] == other.metrics["val/loss"]
    for run in members:
        steps = [step for step, _ in history(folder, run, "train/loss")]
        assert steps == list(range(1, EPOCHS + 1))
    assert not list(folder.glob("outputs/**/last.npz"))


def test_killed_when_all_are_trained_it_goes_on(finished, sealed_environment):
    folder = sealed_environment
    process = start(folder, "train", *ENSEMBLE)
    job_dir = wait_for(folder, MEMBERS - 1, '"event": "end"', process)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)
    listed = mnist_exp(folder, "runs").stdout.splitlines()[1:]
    assert "killed" in listed[-1]  # the ensemble
    assert "killed" not in listed[0]
    resumed = mnist_exp(folder, "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    check_like_uninterrupted(folder, finished)
    assert "member 1 of 2, seed 2: has finished" in resumed.stderr
    assert "resumed" not in events(job_dir / "members" / "0")


def test_weights_that_were_lost_are_named_and_had_again(finished, sealed_environment):
    folder = sealed_environment
    process = start(folder, "train", *ENSEMBLE)
    job_dir = wait_for(folder, 1, '"step": 9', process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    listed = mnist_exp(folder, "runs").stdout.splitlines()[1:]
    assert ["killed" in line for line in listed] == [True, False, True]
    lost = job_dir / "members" / "0"
    (lost / "checkpoints" / "last.npz").write_bytes(
        (job_dir / "members" / "1" / "checkpoints" / "last.npz").read_bytes()
    )
    refused = mnist_exp(folder, "resume", "latest")
    assert refused.returncode == 1
    assert f"Delete {lost.relative_to(folder)};" in refused.stderr
    shutil.rmtree(lost)
    resumed = mnist_exp(folder, "resume", str(job_dir))
    assert resumed.returncode == 0, resumed.stderr
    found = list(store(folder).search())
    (ensemble,) = (run for run in found if run.params["ensemble.members"] != "1")
    assert ensemble.tags[WEIGHTS] == runs(finished)[0].tags[WEIGHTS]


ALL_LOST = pytest.mark.long("a member trained again whose every checkpoint is lost")


@pytest.mark.parametrize("lost", ["last.npz", pytest.param("*.npz", marks=ALL_LOST)])
def test_a_member_has_its_weights_again_that_had_finished(lost, finished, sealed_environment):
    folder = sealed_environment
    process = start(folder, "train", *ENSEMBLE)
    job_dir = wait_for(folder, 1, '"step": 9', process)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)
    listed = mnist_exp(folder, "runs").stdout.splitlines()[1:]
    assert ["killed" in line for line in listed] == [True, False, True]
    part = mnist_exp(folder, "resume", str(job_dir / "members" / "0"))
    assert part.returncode == 2
    assert "a member of an ensemble, which goes on with it: `mnist-exp resume outp" in part.stderr
    for file in (job_dir / "members" / "0" / "checkpoints").glob(lost):
        if lost == "last.npz":
            file.write_bytes(damaged(file.read_bytes(), random.Random(0)))
        else:
            file.unlink()
    resumed = mnist_exp(folder, "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    assert "member 1 of 2, seed 2: goes on again for its weights" in resumed.stderr
    assert ("damaged; the one before it is used" in resumed.stderr) == (lost == "last.npz")
    check_like_uninterrupted(folder, finished)
    ensemble, members = runs(folder)
    fit_seconds = sum(run.metrics["time/fit_seconds"] for run in members)
    assert ensemble.metrics["time/fit_seconds"] == pytest.approx(fit_seconds)
    assert "resumed" in events(job_dir / "members" / "1")
    overrides = artifacts(folder, members[1])["config/overrides.yaml"]
    assert "seed=3" in yaml.safe_load(overrides.read_text())


def test_without_validation_images_nothing_is_said_of_them(sealed_environment):
    train(
        sealed_environment,
        *("data=digits", "training=smoke", "model=seed_mlp", "ensemble.members=2"),
        *("data.validation_images=0", "training.best_weights=false"),
    )
    ensemble, members = runs(sealed_environment)
    for run in (ensemble, *members):
        assert not [name for name in run.metrics if "val" in name]
        files = artifacts(sealed_environment, run)
        assert "plots/confusion_matrix.png" in files
        assert ("plots/learning_curves.png" in files) == (run is not ensemble)
    refused = mnist_exp(sealed_environment, "reproduce", "best")
    assert "Expected a finished run with val/accuracy" in refused.stderr


def test_a_member_that_fails_is_told_of(sealed_environment):
    program = (
        "import os, sys\n"
        "from mnist_exp import cli\n"
        "from mnist_exp.models import networks\n"
        "build = networks.build\n"
        "def failing(*a, seed, **k):\n"
        "    if seed == 4: raise ValueError('no member like this')\n"
        "    return build(*a, seed=seed, **k)\n"
        "networks.build = failing\n"
        "sys.argv = ['mnist-exp', 'train', *sys.argv[1:]]\n"
        "sys.exit(cli.execute(sys.argv[1:]))\n"
    )
    ensemble = [*MEMBER, "training.epochs=1", "ensemble.members=2", "seed=2"]
    done = python(program, *ensemble)
    assert done.returncode == 1
    assert "no member like this" in done.stderr
    ensemble, members = runs(sealed_environment)
    assert ensemble.outcome == "failed"
    assert [run.outcome for run in members] == ["failed"]
    assert "no member like this" in ensemble.tags["mnist_exp.failure"]


@pytest.mark.long("twelve members of an ensemble in the memory of five")
def test_memory_is_flat(sealed_environment):
    """Twelve members need no more than the first few; a traced training that is kept is 0.5 %."""
    small = ["data=digits", "training=smoke", "model=mlp", "model.hidden_units=[8]"]
    process = start(sealed_environment, "train", *small, "ensemble.members=12")
    resident = []
    for line in process.stderr:
        if line.startswith("member "):
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident += [int(row.split()[1]) for row in status.splitlines() if "VmRSS" in row]
    assert process.wait(60) == 0
    process.stdout.close()
    process.stderr.close()
    assert len(resident) == 12
    assert resident[11] < 1.03 * resident[4]
