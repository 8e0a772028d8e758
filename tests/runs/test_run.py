"""The main job, end to end, on real MNIST: what a run leaves, also when it is cut off."""

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import waiting
import yaml
from invoke import LIMIT_SECONDS, here, mnist_exp, python, start
from journals import retell, spoil
from projects import MEMBER, SMALL, artifacts, history, only_run, store

from mnist_exp import data
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.mlflow.logged_model import model_path
from mnist_exp.tracking.records import RunRecord

# A slice of the real training images; the test images are all there.
SLICE = ["data.train_images=4000", "data.validation_images=1000", "training.batch_size=64"]
# Epochs that last long enough for a signal to fall into one.
LONG = ["model=fast_cnn", "data.train_images=5000", "training.epochs=4", "training.batch_size=64"]


def test_everything_that_a_run_records(sealed_environment):
    folder = sealed_environment
    done = mnist_exp(folder, "train", "experiment=fast", "training.epochs=2", *SLICE)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    assert [line.split()[:2] for line in done.stderr.splitlines() if line.startswith("epoch")] == [
        ["epoch", "1/2"],
        ["epoch", "2/2"],
    ]
    assert {p.name for p in folder.iterdir()} >= {"mlflow.db", "mlruns", "outputs"}
    record = only_run(folder)
    assert (record.status, record.outcome) == ("FINISHED", "finished")
    (job_dir,) = (p for p in (folder / "outputs").iterdir() if not p.name.startswith("."))
    assert record.job_id == job_dir.name
    assert record.name == f"fast_cnn-{job_dir.name[-6:]}"
    assert not (job_dir / "checkpoints").exists()
    check_params(record)
    check_metrics(folder, record)
    check_tags(record)
    check_artifacts(folder, record)
    check_model(folder, record)


def check_params(record):
    assert record.params["model.filters"] == "[16, 48]"
    assert record.params["optimizer.learning_rate"] == "0.01"
    assert record.params["seed"] == "0"
    # Settled by the machine, so that the record can be repeated on another.
    assert record.params["training.precision"] in {"float32", "bfloat16"}
    assert record.params["training.threads"] == str(len(os.sched_getaffinity(0)))


def check_metrics(folder, record):
    by_epoch = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate",
                "images_per_second"}  # fmt: skip
    final = {"test/accuracy", "test/loss", "test/errors", "test/accuracy_low", "test/ece",
             "test/accuracy_high", "model/parameters", "time/fit_seconds", "time/total_seconds",
             "chosen/epoch", "chosen/val_accuracy",
             "selective/threshold", "selective/coverage", "selective/error"}  # fmt: skip
    assert set(record.metrics) == by_epoch | final
    known = store(folder).client.get_run(record.run_id).data.metrics
    assert next(iter(known)) == "val/accuracy"  # what a comparison in the MLflow UI opens with
    for name in by_epoch:
        assert [step for step, _ in history(folder, record, name)] == [1, 2]
    for name in final:
        assert len(history(folder, record, name)) == 1
    metrics = record.metrics
    assert metrics["test/accuracy"] > 0.93
    assert metrics["test/errors"] == round(10_000 * (1 - metrics["test/accuracy"]))
    assert metrics["test/accuracy_low"] < metrics["test/accuracy"] < metrics["test/accuracy_high"]
    assert metrics["model/parameters"] == 64_282
    assert metrics["chosen/epoch"] == 2
    assert 0 < metrics["time/fit_seconds"] < metrics["time/total_seconds"]


def check_tags(record):
    chosen = {"data": "mnist", "augmentation": "none", "model": "fast_cnn", "schedule": "one_cycle",
              "optimizer": "adam_fast", "training": "default", "tracking": "local",
              "experiment": "fast"}  # fmt: skip
    assert chosen.items() <= record.tags.items()
    for name in ("config", "code", "data", "weights"):
        assert len(bytes.fromhex(record.tags[f"mnist_exp.{name}_sha256"])) == 32
    assert record.tags["mnist_exp.git_dirty"] in {"true", "false"}
    assert record.tags["mnist_exp.git_commit"]
    note = record.tags["mlflow.note.content"]
    result, command, *_, picture = note.split("\n\n")
    assert result.startswith(f"**{record.metrics['test/accuracy']:.2%}** on 10,000 test images")
    assert command.startswith("`mnist-exp train experiment=fast training.epochs=2")
    shown = f"get-artifact?path=plots/confusion_matrix.png&run_uuid={record.run_id}"
    assert picture == f"![Confusion matrix]({shown})"
    assert record.tags["mnist_exp.config"].startswith("cnn-")


def check_artifacts(folder, record):
    files = artifacts(folder, record)
    plots = {f"plots/{name}.png" for name in ("learning_curves", "confusion_matrix", "reliability",
             "misclassified", "augmentation_preview")}  # fmt: skip
    others = {"config/resolved.yaml", "config/overrides.yaml", "environment/requirements.txt",
              "environment/system.json", "log.txt", "predictions/test.npz",
              "export/model.onnx", "source/sha256sums.txt", "sha256sums.txt"}  # fmt: skip
    assert plots | others <= set(files) <= plots | others | {"source/diff.patch"}
    resolved = yaml.safe_load(files["config/resolved.yaml"].read_text())
    assert resolved["training"]["epochs"] == 2
    overrides = yaml.safe_load(files["config/overrides.yaml"].read_text())
    assert overrides == ["experiment=fast", "training.epochs=2", *SLICE]
    system = json.loads(files["environment/system.json"].read_text())
    assert system["threads"] == len(os.sched_getaffinity(0))
    assert "tensorflow==" in files["environment/requirements.txt"].read_text()
    assert "epoch 2/2" in files["log.txt"].read_text()
    check_digests(files, record)
    (dataset,) = store(folder).client.get_run(record.run_id).inputs.dataset_inputs
    assert dataset.dataset.name == "mnist"
    assert dataset.dataset.digest == record.tags["mnist_exp.data_sha256"][:36]


def check_digests(files, record):
    recorded = files["sha256sums.txt"].read_bytes()
    assert hashlib.sha256(recorded).hexdigest() == record.tags["mnist_exp.artifacts_sha256"]
    digests = {path: sha for sha, path in map(str.split, recorded.decode().splitlines())}
    assert digests == {
        path: hashlib.sha256(file.read_bytes()).hexdigest()
        for path, file in files.items()
        if path != "sha256sums.txt"
    }


def check_model(folder, record):
    import mlflow
    import onnxruntime

    files = artifacts(folder, record)
    with np.load(files["predictions/test.npz"], allow_pickle=False) as stored:
        predictions = {name: stored[name] for name in stored.files}
    wrong = (predictions["predictions"] != predictions["labels"]).sum()
    assert wrong == record.metrics["test/errors"]
    splits = read_splits()
    images = splits.test.images
    runtime = onnxruntime.InferenceSession(files["export/model.onnx"])
    (probabilities,) = runtime.run(["probabilities"], {"pixels": images})
    np.testing.assert_allclose(probabilities, predictions["probabilities"], atol=1e-4)
    loaded = mlflow.pyfunc.load_model(str(model_path(store(folder), record.run_id)))
    np.testing.assert_allclose(
        loaded.predict(images[:200]), predictions["probabilities"][:200], atol=1e-5
    )
    held_out = loaded.predict(splits.validation.images).argmax(axis=1) == splits.validation.labels
    assert (
        held_out.mean() == record.metrics["val/accuracy"] == record.metrics["chosen/val_accuracy"]
    )
    assert str(loaded.metadata.signature.inputs) == "[Tensor('uint8', (-1, 28, 28))]"


def read_splits() -> data.Splits:
    options = {"root": os.environ["MNIST_EXP_DATA"], "mirrors": [], "attempts": 1}
    return data.load(
        "mnist", seed=0, validation_images=1000, train_images=4000, timeout_seconds=1.0, **options
    )


@pytest.fixture(scope="module")
def uninterrupted(gallery) -> RunRecord:
    """The same run as those that are cut off below, in peace."""
    long = gallery.once("long", lambda folder: mnist_exp(folder, "train", *LONG, check=True))
    return only_run(long)


def test_a_run_that_diverges_says_so_and_hides_no_other(sealed_environment):
    steep = ("data=digits", "model=mlp", "training.epochs=2", "optimizer=sgd")
    done = mnist_exp(sealed_environment, "train", *steep, "optimizer.learning_rate=1e30")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("training diverged") == 1
    listed = mnist_exp(sealed_environment, "runs", "--json")
    assert listed.returncode == 0, listed.stderr
    [run] = json.loads(listed.stdout)
    assert run["metrics"]["test/loss"] is None


def test_a_run_that_is_cut_off_says_so_and_resumes_bit_for_bit(uninterrupted, sealed_environment):
    """Once in each way, an epoch later each time."""
    folder = sealed_environment
    (folder / "options").mkdir()
    process = start(folder, "train", "--config-dir", "options", *LONG)
    cuts = (
        (signal.SIGINT, 130, "Ctrl-C"),
        (signal.SIGTERM, 143, "SIGTERM"),
        (signal.SIGKILL, -9, ""),
    )
    for epoch, (number, code, message) in enumerate(cuts, start=1):
        job_dir = waiting.for_journal(folder, f'"step": {epoch}', process=process)
        waiting.until((job_dir / "checkpoints" / "last.npz").exists, process=process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == code
        shutil.rmtree(job_dir / ".hydra", ignore_errors=True)  # not all runs have one
        assert message in stderr
        assert "Traceback" not in stderr
        if message:
            assert "Go on where it stopped: mnist-exp resume fast_cnn-" in stderr
        else:
            listed = mnist_exp(folder, "runs")  # the next command puts it right
            assert listed.returncode == 0
            assert "killed" in listed.stdout
        record = only_run(folder)
        assert (record.status, record.outcome) == ("KILLED", "killed")
        assert (job_dir / "checkpoints" / "last.npz").exists()
        process = start(folder, "resume", "latest")
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    record = only_run(folder)
    assert (record.status, record.outcome) == ("FINISHED", "finished")
    weights = "mnist_exp.weights_sha256"
    assert record.tags[weights] == uninterrupted.tags[weights]
    typed = f"`mnist-exp train --config-dir=options {' '.join(LONG)}`"
    assert typed in record.tags["mlflow.note.content"].splitlines()
    assert [step for step, _ in history(folder, record, "train/loss")] == [1, 2, 3, 4]
    for name in ("train/loss", "val/loss", "val/accuracy", "test/accuracy", "test/loss"):
        assert record.metrics[name] == uninterrupted.metrics[name]


def test_what_damage_took_from_a_run_is_named_and_had_again(uninterrupted, sealed_environment):
    folder = sealed_environment
    process = start(folder, "train", *LONG)
    job_dir = waiting.for_journal(folder, '"step": 3', process=process)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)
    epochs = state_of(job_dir).epochs
    line = spoil(job_dir, '"step": 1,')
    newest = job_dir / "checkpoints" / "last.npz"
    newest.write_bytes(newest.read_bytes()[:-1000])
    done = mnist_exp(folder, "resume", str(job_dir))
    assert done.returncode == 0, done.stderr
    record = only_run(folder)
    log = artifacts(folder, record)["log.txt"].read_text()
    for text in (done.stderr, log):
        assert f"line {line} is damaged or missing. The run goes on with the lines that" in text
        assert "last.npz (its SHA-256 is not that of what was written) is damaged" in text
    weights = "mnist_exp.weights_sha256"
    assert record.tags[weights] == uninterrupted.tags[weights]
    assert [step for step, _ in history(folder, record, "train/loss")] == [1, 2, 3, 4]
    again = state_of(job_dir).epochs
    assert {epoch: again[epoch] for epoch in epochs} == epochs
    for name in ("train/loss", "val/accuracy", "test/accuracy", "test/loss"):
        assert record.metrics[name] == uninterrupted.metrics[name]


def test_a_failed_run_says_why(sealed_environment):
    folder = sealed_environment
    root = folder / "data"
    root.mkdir()
    for file in Path(os.environ["MNIST_EXP_DATA"], "mnist").glob("*.gz"):
        (root / file.name).write_bytes(file.read_bytes())
    broken = root / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:100_000])
    done = mnist_exp(folder, "train", f"data.root={root}")
    assert done.returncode == 1
    assert "train-images-idx3-ubyte.gz" in done.stderr
    assert "Traceback" not in done.stderr
    record = only_run(folder)
    assert (record.status, record.outcome) == ("FAILED", "failed")
    assert "train-images-idx3-ubyte.gz" in artifacts(folder, record)["log.txt"].read_text()
    again = mnist_exp(folder, "evaluate", "latest")
    assert again.returncode == 2
    remedy = f"Finish it with `mnist-exp resume {record.name}`."
    assert f"Received: {record.name}: failed. {remedy}" in again.stderr


def test_a_model_measured_again_also_where_the_data_were_moved(sealed_environment, monkeypatch):
    folder = sealed_environment
    before, now = folder / "before", folder / "now"
    before.mkdir()
    for file in Path(os.environ["MNIST_EXP_DATA"], "mnist").glob("*.gz"):
        (before / file.name).symlink_to(file)
    monkeypatch.setenv("MNIST_EXP_DATA", str(before))
    done = mnist_exp(folder, "train", "model=mlp", "training=smoke", *SLICE)
    assert done.returncode == 0, done.stderr
    again = mnist_exp(folder, "evaluate", "latest")
    assert again.returncode == 0, again.stderr
    other = mnist_exp(folder, "evaluate", "best", "--data", "digits")
    assert other.returncode == 0, other.stderr
    metrics = only_run(folder).metrics
    for name in ("accuracy", "loss", "errors", "accuracy_low", "accuracy_high", "ece"):
        assert metrics[f"evaluate/mnist/{name}"] == metrics[f"test/{name}"]
        assert f"evaluate/digits/{name}" in metrics
    assert f"{metrics['test/accuracy']:.2%}" in again.stdout

    before.rename(now)
    monkeypatch.setenv("MNIST_EXP_DATA", str(now))
    moved = mnist_exp(folder, "evaluate", "latest")
    assert moved.returncode == 0, moved.stderr
    exported = mnist_exp(folder, "export", "latest", "--format", "onnx", "--out", "mnist.onnx")
    assert exported.returncode == 0, exported.stderr


def test_a_refused_resume_leaves_the_record_alone(sealed_environment):
    folder = sealed_environment
    process = start(folder, "train", *MEMBER, "training.batch_size=64")
    job_dir = waiting.for_journal(folder, '"step": 2', process=process)
    journal = job_dir / "journal.jsonl"
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)
    assert mnist_exp(folder, "runs").returncode == 0  # it is put down as killed
    retell(job_dir, '"batch_size": 64', '"batch_size": 0')
    text = journal.read_text()
    assert '"batch_size": 0' in text
    refused = mnist_exp(folder, "resume", "latest")
    assert refused.returncode == 2
    assert "batch_size" in refused.stderr
    assert journal.read_text() == text


def test_a_run_from_python(sealed_environment):
    code = (
        "import mnist_exp\n"
        "small = 'model=seed_mlp', 'training.epochs=2', 'tracking.plots=false'\n"
        "run = mnist_exp.run('data=digits', *small)\n"
        "print(run.run_id, run.metrics['test/accuracy'], run.config.data.name, run.job_dir)\n"
    )
    done = python(code, check=True)
    run_id, accuracy, name, job_dir = done.stdout.split()
    record = only_run(sealed_environment)
    assert record.run_id == run_id
    assert record.metrics["test/accuracy"] == float(accuracy)
    assert name == "digits"
    assert (Path(job_dir) / ".hydra" / "config.yaml").exists()


def test_paths_are_the_commands_even_where_hydra_changes_the_folder(sealed_environment):
    folder = sealed_environment
    for sweep in ([], ["-m"]):
        done = mnist_exp(folder, "train", *sweep, *SMALL, "hydra.job.chdir=true")
        assert done.returncode == 0, done.stderr
    listed = mnist_exp(folder, "runs")
    assert len(listed.stdout.splitlines()) == 3
    assert not [path.name for path in folder.glob("outputs/*/mlflow.db")]


WITHOUT_PROCESSES = """
import subprocess, sys
import mnist_exp
from mnist_exp.core import sidecar
sidecar.subprocess = subprocess  # not the forks of these tests
sys.executable = "/nowhere/python"
mnist_exp.run(*sys.argv[1:])
"""


def test_a_run_without_a_process_beside_it_is_measured_and_sent_later(sealed_environment):
    done = python(WITHOUT_PROCESSES, *SMALL, "tracking.plots=true", check=True)
    assert "(the process beside the run cannot start: No such file or directory)" in done.stderr
    assert "space" not in done.stderr
    assert "sent" in here("sync").stdout
    run = only_run(sealed_environment)
    assert run.outcome == "finished"
    assert "plots/confusion_matrix.png" in artifacts(sealed_environment, run)
