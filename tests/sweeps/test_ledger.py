"""What is known of a sweep before it begins."""

from pathlib import Path

from begun_jobs import IDENTITIES, begun
from invoke import here

from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store

OUTAGE = "http://127.0.0.1:9"


def test_jobs_at_work_are_known_before_mlflow_knows_them():
    recorders = [
        begun(number, sweep=sweep, key=f"key-{number}", uri=OUTAGE)
        for number, sweep in enumerate(["grid", "grid", "another"])
    ]
    recorders[1].end("finished")
    ledger = Ledger("grid", resolve(None), "mnist")
    ledger.read(alone=False)
    assert ledger.at_work == {"key-0"}
    recorders[0].end("killed")
    ledger.read(alone=False)
    assert ledger.at_work == frozenset()
    recorders[2].end("killed")


def test_a_job_that_is_done_may_have_a_newer_run_that_was_cut_off():
    for number, outcome in enumerate(["finished", "killed"]):
        begun(number, key="key").end(outcome)
    ledger = Ledger("grid", resolve(None), "mnist")
    ledger.read()
    assert ledger.run("key").job_id == IDENTITIES[0]
    assert ledger.newest("key").job_id == IDENTITIES[1]


def test_a_job_of_which_a_store_has_the_first_moment_alone_is_sent_anew():
    """As a copy has it that was made then, and was put in the place of the store."""
    recorder = begun(0, key="key")
    assert recorder.end("finished")
    for file in Path.cwd().glob("mlflow.db*"):
        file.unlink()
    Store(resolve(None), "mnist").create_run(salvaged(recorder.job_dir).start)
    ledger = Ledger("grid", resolve(None), "mnist")
    ledger.read()
    assert ledger.done("key").status == "FINISHED"


def test_jobs_of_a_version_with_other_keys_are_told_apart():
    for number in range(2):
        begun(number, key=f"key-{number}").end("finished")
    sweep = ("-m", "data=digits", "seed=0,1", "sweep.name=grid", "--dry-run")
    told = here("train", *sweep, check=True).stderr
    assert (
        "Sweep grid: 2 jobs\n2 other jobs of this sweep, of a version whose config had other"
        in told
    )
    assert "not given now" not in told


def test_jobs_that_a_store_has_no_more_are_counted():
    recorders = [begun(number, key=f"key-{number}") for number in range(2)]
    assert all(recorder.end("finished") for recorder in recorders)
    ledger = Ledger("grid", resolve(None), "mnist")
    ledger.read()
    results = [ledger.result(run, epochs=False) for run in ledger.latest()]
    assert ledger.lacking(results) == 0
    ledger.experiment.store.client.delete_run(recorders[0].run_id)
    assert ledger.lacking(results) == 1
    for file in Path.cwd().glob("mlflow.db*"):
        file.unlink()
    assert ledger.lacking(results) == 2
