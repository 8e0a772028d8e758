"""A run whose parts were not made alike says so, and `reproduce` names it."""

from dataclasses import replace
from pathlib import Path

import keras
import pytest
from checkouts import Project, mnist_exp
from projects import SMALL

from mnist_exp import api
from mnist_exp.runs import lifecycle, source_code


@pytest.fixture
def project(sealed_environment):
    """A folder with one run, of two epochs, that failed after the first."""

    def stop(epoch, logs):
        del logs
        if epoch == 0:
            raise LookupError("stopped")

    watcher = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    with pytest.raises(LookupError):
        api.run(*SMALL, "training.epochs=2", callbacks=[watcher])
    return Project(sealed_environment)


def test_a_run_that_went_on_with_other_code_says_so(project, monkeypatch, capsys):
    [run] = project.runs()
    assert run.tags["mnist_exp.failure"] == "LookupError: stopped"
    code = source_code.code()
    other = replace(
        code, sha256="0" * 64, files=code.files | {"mnist_exp/models/networks.py": "0" * 64}
    )
    with monkeypatch.context() as patch:
        patch.setattr(source_code, "code", lambda *_: other)
        lifecycle.resume_in(Path("outputs", run.job_id))
    assert "This run goes on with other code: its end may not be" in capsys.readouterr().err
    [run] = project.runs()
    assert run.outcome == "finished"
    assert run.tags["mnist_exp.resumed_with"] == "other code"
    assert run.tags["mnist_exp.failure"] == ""
    checked = mnist_exp(project.folder, "reproduce", "latest", "--check-only")
    assert checked.returncode == 3
    words = " ".join(checked.stdout.split())
    assert "Other parts of the run: cut off, went on with other code." in words
    # The code of today has run its last part, but not all.
    again = ("-m", *SMALL, "training.epochs=2", "sweep.name=mixed", "seed=0")
    assert mnist_exp(project.folder, "train", *again).returncode == 0
    [job] = [run for run in project.runs() if run.tags.get("mnist_exp.sweep") and not run.is_sweep]
    project.store.set_tags(job.run_id, {"mnist_exp.resumed_with": "other packages"})
    plan = mnist_exp(project.folder, "train", *again, "sweep.rerun=stale", "--dry-run")
    assert "its one job is done" in plan.stderr
    project.store.set_tags(job.run_id, {"mnist_exp.resumed_with": "other code"})
    plan = mnist_exp(project.folder, "train", *again, "sweep.rerun=stale", "--dry-run")
    assert "to do again" in plan.stdout


def test_a_run_that_goes_on_as_it_began_says_nothing(project):
    lifecycle.resume_in(Path("outputs", project.runs()[0].job_id))
    assert "mnist_exp.resumed_with" not in project.runs()[0].tags
