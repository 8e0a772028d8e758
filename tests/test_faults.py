"""`scripts/faults`: what it does to commands is survived, and what is lost is found."""

import subprocess

import pytest
from faults import checks
from faults.harness import Faults
from faults.kinds import ALL
from invoke import start_python
from projects import change, only_run
from waiting import until


def test_a_round_finds_nothing(tmp_path):
    faults = Faults(tmp_path, 0, 1)
    try:
        (outcome,) = faults.rounds(["kill -9"])
    finally:
        faults.close()
    assert outcome.findings == []


@pytest.mark.long("a round of each kind of fault")
@pytest.mark.timeout(1800)  # of 34 rounds of half a minute each, two at once
def test_a_round_of_each_kind_finds_nothing(tmp_path):
    faults = Faults(tmp_path, 0, 2)
    try:
        outcomes = faults.rounds(list(ALL))
    finally:
        faults.close()
    assert {o.kind: o.findings for o in outcomes if o.findings} == {}


@pytest.mark.parametrize(
    ("what", "finding"),
    [
        ("metrics SET value = value + 1 WHERE key = 'train/loss' AND step = 1", "lacks 1 point"),
        ("metrics SET step = 99 WHERE key = 'val/loss' AND step = 1", "has 1 point too many"),
        ("tags SET value = '0' WHERE key = 'mnist_exp.weights_sha256'", "has other weights"),
        ("tags SET value = 'killed' WHERE key = 'mnist_exp.outcome'", "0 finished runs"),
        ("runs SET status = 'FAILED'", "its status is FAILED"),
        ("runs SET lifecycle_stage = 'deleted'", "0 finished runs"),
    ],
)
def test_what_is_lost_is_found(one_run, what, finding):
    database, artifacts = one_run / "mlflow.db", one_run / "mlruns"
    right = {run.identity: run for run in checks.results(database, "mnist")}

    def findings() -> list[str]:
        found = checks.results(database, "mnist")
        return list(checks.findings(found, right, artifacts))

    assert findings() == []
    change(one_run, what, ())
    assert any(finding in text for text in findings())


def test_a_job_that_ran_twice_is_found_unless_its_first_run_had_been_damaged(one_run):
    found = checks.results(one_run / "mlflow.db", "mnist")
    right = {run.identity: run for run in found}
    twice = [*found, *found]
    assert list(checks.findings(twice, right, None, again=True)) == []
    assert list(checks.findings(twice, right, None)) == ["seed 0: 2 finished runs in place of one"]
    (thrice,) = checks.findings([*twice, *found], right, None, again=True)
    assert "3 finished runs" in thrice


def test_statuses_that_cannot_be_are_found(one_run):
    database = one_run / "mlflow.db"

    def findings() -> list[str]:
        return list(checks.false_statuses(checks.results(database, "mnist")))

    assert findings() == []
    change(one_run, "runs SET end_time = start_time - 1", ())
    (found,) = findings()
    assert "is said to have ended before it began" in found
    change(one_run, "runs SET end_time = NULL, status = 'RUNNING'", ())
    (found,) = findings()
    assert "is said to be running" in found


def test_files_that_are_left_or_lost_are_found(one_run):
    run = only_run(one_run)
    database = one_run / "mlflow.db"
    right = {found.identity: found for found in checks.results(database, "mnist")}
    (one_run / "mlruns" / "1" / run.run_id / "artifacts" / "log.txt").write_text("other")
    found = checks.results(database, "mnist")
    (lost,) = checks.findings(found, right, one_run / "mlruns")
    assert "lacks the artifact log.txt" in lost
    (one_run / "outputs" / "a.part").touch()
    (left,) = checks.left_over(one_run, one_run / "home")
    assert left == "the temporary file outputs/a.part is left"


def test_a_process_that_is_left_is_found(tmp_path):
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    with start_python("input()", cwd=project, stdin=subprocess.PIPE) as process:
        (left,) = until(lambda: list(checks.left_over(project, home)), process=process)
        assert left.startswith(f"process {process.pid} ")
        process.kill()
    assert list(checks.left_over(project, home)) == []
