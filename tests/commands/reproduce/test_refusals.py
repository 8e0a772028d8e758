"""What cannot be reproduced is refused in words, before anything is trained."""

import hashlib
import json
import math
import random
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mnist_exp.commands.reproduce import worktree
from mnist_exp.commands.reproduce.reproduce import reproduce
from mnist_exp.config.compose import compose
from mnist_exp.config.problems import ConfigError, Problem
from mnist_exp.config.record import to_record
from mnist_exp.core.errors import RequestError
from mnist_exp.runs import recorded_config
from mnist_exp.tracking.names import ARTIFACTS_TAG, COMMIT_TAG, DIGESTS, OUTCOME_TAG
from mnist_exp.tracking.read import runs
from mnist_exp.tracking.read.evidence import (
    CONFIG,
    DIFF,
    PACKAGES,
    PREDICTIONS,
    SYSTEM,
    Evidence,
    EvidenceError,
)


def refused(message: str, *arguments: str, **options: bool) -> None:
    with pytest.raises(RequestError, match=message):
        reproduce(*arguments, **options)


def forget_digests(project) -> None:
    """Makes the run one of before digests were recorded, so that what it holds is looked at."""
    [run] = project.runs()
    project.store.client.delete_tag(run.run_id, ARTIFACTS_TAG)


def test_a_run_that_is_unknown_or_ambiguous(project):
    refused("Received: 'nix'", "nix")
    [run] = project.runs()
    project.store.client.create_run("1", run_name=run.name)
    refused(f"Received: '{run.name}', which means 2", run.name)


@pytest.mark.parametrize(
    ("outcome", "words"), [("failed", "resume"), ("killed", "resume"), ("pruned", "$")]
)
def test_a_run_that_did_not_finish(project, outcome, words):
    [run] = project.runs()
    project.store.set_tags(run.run_id, {OUTCOME_TAG: outcome})
    refused(rf"Expected a run that finished\. Received: {run.name}: {outcome}\..*{words}", "latest")


def test_a_run_of_another_project(project):
    run = project.store.client.create_run("1", run_name="theirs")
    project.store.client.set_terminated(run.info.run_id)
    refused("Expected a run that mnist-exp made. Received: theirs", "theirs")


def test_a_config_that_this_version_does_not_accept(project):
    forget_digests(project)
    [run] = project.runs()
    file = project.artifact(run, CONFIG)
    config = yaml.safe_load(file.read_text())
    config["model"]["_target_"] = "os.system"
    config["optimizer"]["learning_rate"] = -1
    file.write_text(yaml.safe_dump(config))
    refused(r"(?s)model._target_.*optimizer.learning_rate.*--worktree", "latest")


def test_a_config_that_runs_something(project, sealed_environment):
    forget_digests(project)
    file = project.artifact(project.runs()[0], CONFIG)
    file.write_text("!!python/object/apply:os.system ['touch pwned']")
    refused("plain YAML", "latest", check_only=True)
    assert not (sealed_environment / "pwned").exists()


def test_altered_and_missing_artifacts(project):
    [run] = project.runs()
    predictions = project.artifact(run, PREDICTIONS)
    predictions.write_bytes(predictions.read_bytes() + b"\0")
    refused("predictions/test.npz of run .* Received: another file", "latest")
    predictions.unlink()
    refused("predictions/test.npz of run .* Received: no such file", "latest")
    project.artifact(run, CONFIG).write_text("seed: 1\n")
    refused("config/resolved.yaml of run .* Received: another file", "latest")
    assert len(project.runs()) == 1


def test_another_version_of_a_package_is_named(project, capsys):
    [run] = project.runs()
    file = project.artifact(run, PACKAGES)
    lines = file.read_text().splitlines()
    [numpy] = [line for line in lines if line.startswith("numpy==")]
    file.write_text("\n".join("numpy==1.0.0" if line == numpy else line for line in lines))
    assert reproduce("latest", check_only=True) == 3
    shown = capsys.readouterr()
    assert f"numpy 1.0.0 -> {numpy.removeprefix('numpy==')}" in shown.out
    assert f"The artifact {PACKAGES} is not the file that was recorded, or is gone." in shown.err


def test_packages_added_since_change_no_verdict(project, capsys):
    [run] = project.runs()
    file = project.artifact(run, PACKAGES)
    file.write_text("\n".join(file.read_text().splitlines()[2:]))
    assert reproduce("latest", check_only=True) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^packages added +2 *$", shown, re.MULTILINE)
    assert "Other packages" not in shown


def test_every_package_that_changed_is_named_those_that_compute_first(project, capsys):
    [run] = project.runs()
    file = project.artifact(run, PACKAGES)
    names = [line.partition("==")[0] for line in file.read_text().splitlines()]
    file.write_text("\n".join(f"{name}==0.1" for name in [*names, "lost"]))
    assert reproduce("latest", check_only=True) == 3
    shown = capsys.readouterr().out
    told = " ".join(shown.partition("Other packages: ")[2].split())
    assert re.match(r"tensorflow 0\.1 -> .*, keras 0\.1 -> .*, numpy 0\.1 -> ", told)
    assert "lost 0.1 -> absent" in told
    assert told.count(" -> ") == len(names) + 1
    assert max(map(len, shown.splitlines())) <= 80


def test_another_device_decides_and_a_record_of_before_says_nothing_of_it(project, capsys):
    [run] = project.runs()
    file = project.artifact(run, SYSTEM)
    system = json.loads(file.read_text())
    assert reproduce("latest", check_only=True) == 0
    assert re.search(r"^device .* the same *$", capsys.readouterr().out, re.MULTILINE)
    file.write_text(json.dumps(system | {"device": "NVIDIA A100"}))
    assert reproduce("latest", check_only=True) == 3
    assert re.search(r"^device +NVIDIA A100 ", capsys.readouterr().out, re.MULTILINE)
    del system["device"]
    file.write_text(json.dumps(system))
    assert reproduce("latest", check_only=True) == 0
    assert "device" not in capsys.readouterr().out


def test_other_data(project):
    [run] = project.runs()
    project.store.set_tags(run.run_id, {"mnist_exp.data_sha256": "0" * 64})
    refused("Expected the data of run .* 000000000000. Received: other data", "latest")


def test_overrides_that_would_make_it_another_experiment(project):
    for override in ("training.epochs=3", "seed=1", "hydra.run.dir=elsewhere", "training.threads"):
        with pytest.raises(
            RequestError, match=f"since all else is the run's own. Received: {override}"
        ):
            reproduce("latest", [override])


def test_a_worktree_of_nothing(project, tmp_path):
    refused("Expected --worktree with --apply-diff", "latest", apply_diff=True)
    [run] = project.runs()
    project.store.set_tags(run.run_id, {"mnist_exp.git_commit": "--upload-pack=touch pwned"})
    refused("Expected a run whose code was a git commit", "latest", code_of_then=True)
    project.store.set_tags(run.run_id, {"mnist_exp.git_commit": "0" * 40})
    refused("Received: none such. Fetch it", "latest", code_of_then=True)
    listed = subprocess.run(["git", "worktree", "list"], capture_output=True, check=False)
    assert b"mnist_exp-" not in listed.stdout


def test_recorded_changes_that_cannot_be_read_are_not_left_out(project):
    [run] = project.runs()
    tags = {"mnist_exp.git_commit": "0" * 40, "mnist_exp.git_dirty": "true"}
    project.store.set_tags(run.run_id, tags)
    for file in project.folder.glob(f"mlruns/*/{run.run_id}/artifacts/{DIFF}"):
        file.unlink()  # of a checkout with changes
    words = f"Received: no {DIFF} as it was recorded. Restore it"
    refused(words, "latest", code_of_then=True, apply_diff=True)


def test_changes_that_lead_out_of_the_worktree_are_refused(project, checkout, monkeypatch):
    code = checkout()
    monkeypatch.setattr(worktree, "PACKAGE", code.root / "mnist_exp")
    commit = subprocess.run(
        ["git", "-C", str(code.root), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    [run] = project.runs()
    forget_digests(project)
    project.store.set_tags(run.run_id, {"mnist_exp.git_commit": commit})
    file = project.folder / "mlruns" / "1" / run.run_id / "artifacts" / DIFF
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        "diff --git a/../../pwned b/../../pwned\nnew file mode 100644\n"
        "--- /dev/null\n+++ b/../../pwned\n@@ -0,0 +1 @@\n+x\n"
    )
    refused("Expected recorded changes that fit", "latest", code_of_then=True, apply_diff=True)
    assert not list(project.folder.parent.glob("**/pwned"))


def test_changes_that_are_not_those_recorded_are_not_applied(project):
    [run] = project.runs()
    file = project.folder / "mlruns" / "1" / run.run_id / "artifacts" / DIFF
    file.parent.mkdir(exist_ok=True)
    digests = project.artifact(run, DIGESTS)
    lines = [line for line in digests.read_text().splitlines() if DIFF not in line]
    digests.write_text("\n".join([*lines, f"{'0' * 64}  {DIFF}"]) + "\n")
    sha256 = hashlib.sha256(digests.read_bytes()).hexdigest()
    project.store.set_tags(run.run_id, {ARTIFACTS_TAG: sha256})
    file.write_text("+another change\n")
    refused("Expected the recorded changes of run", "latest", code_of_then=True, apply_diff=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"tracking.uri": "http://127.0.0.1:9"},
        {"hydra.output_subdir": "/elsewhere"},
        {"hydra": {"searchpath": ["/elsewhere"]}},
        {"data": {"name": "digits", "mirrors.0": "http://127.0.0.1:9"}},
        {"surprise": {"a": 1}},
    ],
)
def test_a_record_says_nothing_of_tracking_or_of_hydra_to_the_code_of_then(changes):
    local = to_record(compose(["data=digits"]).config)
    with pytest.raises(EvidenceError, match=r"Expected (keys|sections) of a config in the record"):
        worktree.overrides_of(local | changes, {}, local, Path("nowhere"))


def test_code_that_has_no_device_is_given_none():
    local = to_record(compose(["data=digits"]).config)
    then = local | {"training": {k: v for k, v in local["training"].items() if k != "device"}}

    def given(device: str, *records) -> list[str]:
        here = local | {"training": local["training"] | {"device": device}}
        found = [worktree.overrides_of(record, {}, here, Path("nowhere")) for record in records]
        return [text for texts in found for text in texts if text.startswith("training.device")]

    assert given("auto", then) == []
    assert given("auto", local) == ["training.device=auto"]
    assert given("cpu", then, local) == ["training.device=cpu"] * 2


@pytest.mark.parametrize(
    ("commit", "remedy"),
    [
        (
            "ab" * 20,
            "`git worktree add FOLDER abababababab` in a clone of mnist-exp, then this comm",
        ),
        ("none", "install the mnist-exp that made it in a folder, then this command again behind"),
        ("$(reboot)", "install the mnist-exp that made it in a folder, then this command again be"),
    ],
)
def test_where_the_config_is_too_old_the_code_of_then_is_named(commit, remedy):
    problem = Problem("loss", "a section of keys", "nothing", "Set it with loss=OPTION.")
    with (
        pytest.raises(RequestError) as told,
        recorded_config.accepted("cnn-1", {COMMIT_TAG: commit}),
    ):
        raise ConfigError([problem])
    assert "\n  loss: Expected a section of keys. Received: nothing.\n" in str(told.value)
    assert f"To run the code of then: {remedy}" in str(told.value)


STRANGE = (None, True, -1, 10**30, math.nan, "", "x" * 5000, "${a}", "../..", "\0", "\x1b[2J", [[]],
           {1: 2}, {"_target_": "os.system"}, ["a"] * 99, "idx", "'", "~nobody/x")  # fmt: skip


def test_configs_changed_at_random_are_refused_in_words(project):
    forget_digests(project)
    run = runs.find("latest").record
    file = project.artifact(run, CONFIG)
    config = yaml.safe_load(file.read_text())
    places = [(config, key) for key in config]
    places += [(part, key) for part in config.values() if isinstance(part, dict) for key in part]
    draw = random.Random(0)
    refusals = 0
    for _ in range(60):
        changed = draw.sample(places, 2)
        before = [part[key] for part, key in changed]
        for part, key in changed:
            part[key] = draw.choice(STRANGE)
        file.write_text(yaml.safe_dump(config))
        for (part, key), value in zip(changed, before, strict=True):
            part[key] = value
        evidence = Evidence(run, project.store.uri)
        try:
            local = recorded_config.local_values(evidence, ())
            choices = recorded_config.choices_of(evidence)
            worktree.overrides_of(evidence.config, choices, local, Path("nowhere"))
            recorded_config.config_of(evidence, local)
        except RequestError:
            refusals += 1
    assert refusals > 30
