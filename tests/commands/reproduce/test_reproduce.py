"""A run again, in processes of its own: the verdict, what explains it, and the code of then."""

import subprocess

from checkouts import mnist_exp
from invoke import python

from mnist_exp.tracking.names import REPRODUCES_TAG, VERDICT_TAG

# One line of a model.
FILE = "mnist_exp/models/architectures.py"
LINE = (FILE, "parts.dense(hidden_units, activation, dropout)")
OTHER = 'parts.dense(hidden_units, "tanh", dropout)'


def test_a_run_is_reproduced_in_a_process_of_its_own(project):
    [original] = project.runs()
    done = mnist_exp(project.folder, "reproduce", "latest")
    assert done.returncode == 0, done.stderr
    assert "Verdict: identical." in done.stdout
    rerun = project.runs()[0]
    assert rerun.tags[REPRODUCES_TAG] == original.run_id
    assert rerun.tags[VERDICT_TAG] == "identical"
    assert rerun.tags["mnist_exp.weights_sha256"] == original.tags["mnist_exp.weights_sha256"]
    of_this_machine = {"data.root": "", "tracking.plots": ""}
    assert rerun.params | of_this_machine == original.params | of_this_machine
    assert {group: rerun.tags[group] for group in ("model", "training")} == {
        "model": "seed_mlp",
        "training": "smoke",
    }


def test_a_check_imports_no_tensorflow(project):
    program = (
        "import sys; from mnist_exp.cli import execute\n"
        "code = execute(['reproduce', 'latest', '--check-only'])\n"
        "assert code in (0, 3), code\n"
        "assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    python(program, cwd=project.folder, fresh=True, check=True)
    assert len(project.runs()) == 1


def test_a_changed_line_is_found_and_run_again_with_the_changes_or_without(project, checkout):
    code = checkout()
    code.edit(*LINE, OTHER)
    done = mnist_exp(project.folder, "reproduce", "latest", code=code.root)
    assert done.returncode in {3, 4}, done.stderr
    verdict = "different" if done.returncode == 4 else "not distinguishable"
    assert f"Verdict: {verdict}." in done.stdout
    assert f"can explain it: code ({FILE})" in " ".join(done.stdout.split())
    run = project.runs()[0]  # by code that no commit has
    assert run.tags[VERDICT_TAG] == verdict
    code.edit(FILE, OTHER, 'parts.dense(hidden_units, "elu", dropout)')
    code.git("commit", "-qam", "second")

    again = ("reproduce", run.name, "--worktree")
    without = mnist_exp(project.folder, *again, "--check-only", code=code.root)
    assert without.returncode == 3, without.stderr
    assert f"+    hidden = {OTHER}" in without.stderr
    assert FILE in without.stdout

    whole = mnist_exp(project.folder, *again, "--apply-diff", code=code.root)
    assert whole.returncode == 0, whole.stderr
    assert "Verdict: identical." in whole.stdout
    rerun = project.runs()[0]
    assert rerun.tags[REPRODUCES_TAG] == run.run_id
    assert rerun.tags["mnist_exp.code_sha256"] == run.tags["mnist_exp.code_sha256"]

    worktrees = subprocess.run(
        ["git", "-C", str(code.root), "worktree", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(worktrees.stdout.splitlines()) == 1
