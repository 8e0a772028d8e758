"""`promote`, on real runs: who becomes champion, what a kill leaves, and MLflow's own server."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import documents
import numpy as np
import pytest
import servers
from invoke import mnist_exp, python
from PIL import Image
from projects import artifacts, copied, store

from mnist_exp import data
from mnist_exp.commands.promote import promote, show
from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.statistics import mcnemar_test
from mnist_exp.core.text import p_in_words
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.logged_model import model_id
from mnist_exp.tracking.names import OUTCOME_TAG
from mnist_exp.tracking.records import RunRecord

PROGRAM = """
import mnist_exp
for overrides in (
    ["data=digits", "training.epochs=15"],
    ["data=digits", "training.epochs=15", "description=twin"],
    ["data=digits"],
    ["data=digits", "ensemble.members=2"],
    ["data=mnist", "data.train_images=1000", "data.validation_images=100"],
):
    mnist_exp.run("model=seed_mlp", "training=smoke", "tracking.plots=false", *overrides)
"""
# As docs/export.md has it, behind the command that serves.
((_, REQUEST),) = (
    block.split("\n", 1)
    for block in documents.blocks("docs/export.md", "sh")
    if block.startswith("mlflow models serve")
)
SERVED_IMAGES = 5


@pytest.fixture(scope="module")
def trained(gallery) -> Path:
    """A folder with runs, which no test changes."""
    return gallery.once("promoted", lambda folder: python(PROGRAM, cwd=folder, check=True))


class Project:
    """The test's own copy of that folder: its runs by what they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = store(folder)
        whole = [run for run in self.store.search() if not run.is_member]
        whole.sort(key=lambda run: run.start_time)
        self.good, self.twin, self.weak, self.ensemble, self.elsewhere = whole

    def versions(self) -> list:
        found = self.store.client.search_model_versions("name = 'mnist'")
        return sorted(found, key=lambda version: int(version.version))

    def champion(self) -> str | None:
        found = registry.champion(self.store)
        return None if found is None else found.run_id

    def alter(self, run: RunRecord) -> None:
        """Makes another prediction of the record."""
        file = artifacts(self.folder, run)["predictions/test.npz"]
        with np.load(file) as stored:
            arrays = dict(stored)
        arrays["predictions"] = arrays["labels"]
        np.savez_compressed(file, **arrays)


@pytest.fixture
def project(trained, sealed_environment) -> Project:
    return Project(copied(trained, sealed_environment))


def test_without_a_champion_a_run_is_promoted(project, capsys):
    show(promote(project.good.name))
    assert project.champion() == project.good.run_id
    (version,) = project.versions()
    assert version.description.startswith(f"Run {project.good.name}\n\n**")
    assert "355 test images" in version.description
    assert set(version.tags) == {"run", "test accuracy", "model", "data", "promotion"}
    assert version.tags["run"] == project.good.name
    metrics = project.good.metrics
    low, high = metrics["test/accuracy_low"], metrics["test/accuracy_high"]
    accuracy = f"{metrics['test/accuracy']:.2%} ({low:.2%} to {high:.2%})"
    assert version.tags["test accuracy"] == accuracy
    assert version.tags["promotion"] == "there was no champion before"
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{project.good.name} is now the champion: version 1 of the registered")
    assert f"{metrics['test/accuracy']:.2%} of 355 test images" in second
    assert third == (
        "Serve it: mlflow models serve -m models:/mnist@champion --env-manager local --port 5001"
    )


def test_the_champion_again_changes_nothing(project, capsys):
    promote(project.good.name)
    before = project.store.client.get_registered_model("mnist").last_updated_timestamp
    for force in (False, True):
        show(promote("@champion", force=force))
        assert "is the champion already: version 1" in capsys.readouterr().out
    assert len(project.versions()) == 1
    assert project.store.client.get_registered_model("mnist").last_updated_timestamp == before


def test_a_better_one_and_one_that_cannot_be_told_apart_replace_the_champion(project, capsys):
    promote(project.weak.name)
    show(promote(project.good.name))
    assert project.champion() == project.good.run_id
    assert f"in place of version 1 ({project.weak.name})" in capsys.readouterr().out
    promotion = project.versions()[1].tags["promotion"]
    only_good, only_weak = only_right(project, project.good, project.weak)
    assert f"it alone recognises {only_good:,}" in promotion
    assert f"{project.weak.name} alone {only_weak:,}" in promotion
    assert promotion.endswith(f"{p_in_words(mcnemar_test(only_good, only_weak))}: better")
    promoted = promote(project.twin.name)
    assert project.champion() == project.twin.run_id
    assert promoted.opponent.contest.p == 1
    assert "forced" not in project.versions()[2].tags
    assert "p = 1.00: not distinguishable" in project.versions()[2].tags["promotion"]


def test_an_ensemble_is_promoted_as_one_model_and_a_member_is_not(project):
    assert promote(project.ensemble.name).version.number == "1"
    member = next(run for run in project.store.search() if run.is_member)
    told = rf"member of an ensemble.*`mnist-exp promote {project.ensemble.name}`"
    with pytest.raises(RequestError, match=told):
        promote(member.name, force=True)


def test_a_worse_one_is_refused_unless_forced(project):
    promote(project.good.name)
    refused = mnist_exp(project.folder, "promote", project.weak.name)
    assert refused.returncode == 1
    assert refused.stdout == ""
    (told,) = refused.stderr.splitlines()
    assert told.startswith("Expected a model that is not measurably worse on the test images than")
    only_weak, only_good = only_right(project, project.weak, project.good)
    p = p_in_words(mcnemar_test(only_weak, only_good))
    counts = f"it alone recognises {only_weak}, {project.good.name} alone {only_good}"
    assert counts in told
    assert f"{p}: worse" in told
    assert project.champion() == project.good.run_id
    assert len(project.versions()) == 1

    forced = mnist_exp(project.folder, "promote", project.weak.name, "--force")
    assert forced.returncode == 0, forced.stderr
    assert "Promoted by --force, though worse." in forced.stdout
    assert project.champion() == project.weak.run_id
    tags = project.versions()[1].tags
    assert tags["forced"] == "worse"
    assert tags["promotion"].startswith(f"in place of version 1 ({project.good.name}); ")
    assert counts in tags["promotion"]
    assert f"{p}: worse" in tags["promotion"]
    # The one before comes back as the version that it was, without force.
    assert promote(project.good.name).version.number == "1"
    assert promote(project.weak.name, force=True).version.number == "2"


def only_right(project: Project, run: RunRecord, other: RunRecord) -> tuple[int, int]:
    """Returns how many test images only the first recognises, and only the second."""
    right = []
    for one in (run, other):
        with np.load(artifacts(project.folder, one)["predictions/test.npz"]) as stored:
            right.append(stored["probabilities"].argmax(axis=1) == stored["labels"])
    return int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())


def test_other_test_images_are_no_comparison(project, capsys):
    promote(project.good.name)
    refused = mnist_exp(project.folder, "promote", project.elsewhere.name)
    assert refused.returncode == 2
    assert "Expected runs that were tested on the same images" in refused.stderr
    assert f"{project.elsewhere.name} on mnist (" in refused.stderr
    assert f"{project.good.name} on digits (" in refused.stderr
    assert project.champion() == project.good.run_id
    show(promote(project.elsewhere.name, force=True))
    assert "They were not compared: Expected runs" in capsys.readouterr().out
    tags = project.versions()[1].tags
    assert tags["forced"] == "not comparable"
    assert "not compared: Expected runs that were tested on the same images" in tags["promotion"]


def test_an_altered_record_is_no_ground_for_a_promotion(project):
    promote(project.good.name)
    project.alter(project.weak)
    told = rf"predictions/test.npz of run {project.weak.name} to be the file with SHA-256"
    for force in (False, True):
        with pytest.raises(RequestError, match=told):
            promote(project.weak.name, force=force)
    project.alter(project.good)
    with pytest.raises(RequestError, match=rf"of run {project.good.name} .*--force promotes"):
        promote(project.twin.name)
    assert project.champion() == project.good.run_id
    assert promote(project.twin.name, force=True).version.number == "2"


def test_a_champion_without_a_record_is_replaced_by_force_alone(project):
    client = project.store.client
    client.create_registered_model("mnist")
    for run_id, what in ((None, "of no run"), ("0" * 32, "a run that MLflow does not have")):
        version = client.create_model_version("mnist", "/somewhere", run_id=run_id).version
        client.set_registered_model_alias("mnist", "champion", version)
        with pytest.raises(RequestError, match=rf"Received: version {version}, of .*{what[3:]}"):
            promote(project.good.name)
    assert promote(project.good.name, force=True).version.number == "3"


@pytest.mark.parametrize("gone", ["deleted", "in another experiment"])
def test_a_champion_whose_run_is_elsewhere_is_compared_all_the_same(project, gone):
    promote(project.good.name)
    client = project.store.client
    if gone == "deleted":
        client.delete_run(project.good.run_id)
    else:
        other = client.create_experiment("other")
        with sqlite3.connect(project.folder / "mlflow.db") as database:
            database.execute(
                "UPDATE runs SET experiment_id = ? WHERE run_uuid = ?",
                [other, project.good.run_id],
            )
        database.close()
    with pytest.raises(ExperimentError, match="worse"):
        promote(project.weak.name)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("failed", r"failed\. Finish it with `mnist-exp resume"),
        ("killed", r"killed\. Finish it with `mnist-exp resume"),
        ("pruned", r"pruned\.$"),
    ],
)
def test_a_run_that_did_not_finish_is_refused(project, outcome, told):
    project.store.set_tags(project.good.run_id, {OUTCOME_TAG: outcome})
    with pytest.raises(RequestError, match=rf"Expected a run that finished.*{told}"):
        promote(project.good.name, force=True)


def test_a_run_without_a_model_or_of_others_is_refused(project):
    client = project.store.client
    client.delete_logged_model(model_id(project.store, project.good.run_id))
    with pytest.raises(
        RequestError, match=f"Received: {project.good.name}, whose model was deleted in MLflow"
    ):
        promote(project.good.name, force=True)
    client.create_run("1", run_name="theirs")
    with pytest.raises(RequestError, match="Expected a run that mnist-exp made"):
        promote("theirs")
    assert client.search_registered_models() == []


@pytest.mark.parametrize(
    "step",
    [
        "create_model_version",
        "set_logged_model_tags",
        "set_model_version_tag",
        "set_registered_model_alias",
    ],
)
def test_a_kill_leaves_nothing_that_the_same_command_does_not_complete(project, step):
    promote(project.weak.name)
    program = (
        "import os, signal, sys\n"
        "from mlflow import MlflowClient\n"
        "from mnist_exp import cli\n"
        "MlflowClient.{step} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "cli.execute(['promote', sys.argv[1]])\n"
    )
    killed = python(program.format(step=step), project.good.name)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert project.champion() == project.weak.run_id
    assert len(project.versions()) == (1 if step == "create_model_version" else 2)
    again = mnist_exp(project.folder, "promote", project.good.name)
    assert again.returncode == 0, again.stderr
    assert project.champion() == project.good.run_id
    one, two = project.versions()
    assert (one.run_id, two.run_id) == (project.weak.run_id, project.good.run_id)
    assert two.tags["promotion"].endswith(": better")
    links = project.store.client.get_logged_model(model_id(project.store, two.run_id)).tags
    assert json.loads(links["mlflow.modelVersions"]) == [{"name": "mnist", "version": 2}]


def ask(address: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"{address}/invocations", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_mlflow_serves_the_champion(project, capsys, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    show(promote(project.good.name))
    command = capsys.readouterr().out.splitlines()[-1].partition("Serve it: ")[2]
    images = data.load("digits", seed=0, validation_images=0, train_images=None).test.images
    with np.load(artifacts(project.folder, project.good)["predictions/test.npz"]) as stored:
        expected = stored["probabilities"][:SERVED_IMAGES]
    with servers.serving_model(command) as address:
        code, body = ask(address, json.dumps({"inputs": images[:SERVED_IMAGES].tolist()}).encode())
        assert code == 200, body
        received = np.array(json.loads(body)["predictions"])
        np.testing.assert_allclose(received, expected, atol=1e-5)

        Image.fromarray(images[0]).save("digit.png")
        request = REQUEST.replace("http://127.0.0.1:5001", address)
        done = subprocess.run(["bash", "-c", request], capture_output=True, text=True, check=True)
        answer = np.array(json.loads(done.stdout)["predictions"])
        np.testing.assert_allclose(answer, expected[:1], atol=1e-5)

        for wrong in (
            {"inputs": [[1, 2], [3, 4]]},
            {"inputs": images[0].tolist()},
            {"inputs": images[:1].reshape(1, 784).tolist()},
            {"inputs": np.zeros((1, 28, 29), int).tolist()},
            {"inputs": np.full((1, 28, 28), 256).tolist()},
            {"inputs": [["seven"]]},
            {"pixels": images[:1].tolist()},
        ):
            code, body = ask(address, json.dumps(wrong).encode())
            assert 400 <= code < 500, (code, body)
        assert 400 <= ask(address, b"no JSON")[0] < 500
        assert ask(address, json.dumps({"inputs": images[:1].tolist()}).encode())[0] == 200
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"{address}/ping", timeout=5)
