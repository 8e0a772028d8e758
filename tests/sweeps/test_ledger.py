"""What is known of a sweep before it begins."""

from dataclasses import replace
from pathlib import Path

from mnist_exp.sweeps.results.ledger import Ledger
from mnist_exp.tracking.journal.state import salvaged
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import JOB_ID_TAG, KEY_TAG, OVERRIDES_TAG, SWEEP_TAG
from mnist_exp.tracking.recorder import Recorder

OUTAGE = "http://127.0.0.1:9"
IDENTITIES = [f"2026-01-01_00-00-00_{letter * 6}" for letter in "abc"]


def begun(number, *, sweep="grid", key, uri=None):
    """Begins the record of a job, in a job folder of its own."""
    job_dir = Path("outputs", IDENTITIES[number]).absolute()
    job_dir.mkdir(parents=True)
    return Recorder.start(
        job_dir,
        job_id=job_dir.name,
        run_name=job_dir.name,
        uri=uri,
        experiment="mnist",
        config={},
        params={"sweep.job": "0", "seed": "0", "data.validation_images": "200"},
        tags={SWEEP_TAG: sweep, KEY_TAG: key, JOB_ID_TAG: job_dir.name},
    )


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


def test_jobs_that_a_store_has_no_more_are_counted():
    recorders = [begun(number, key=f"key-{number}") for number in range(2)]
    assert all(recorder.end("finished") for recorder in recorders)
    ledger = Ledger("grid", resolve(None), "mnist")
    ledger.read()
    results = [
        ledger.result(replace(run, tags=run.tags | {OVERRIDES_TAG: "[]"}), epochs=False)
        for run in ledger.latest()
    ]
    assert ledger.lacking(results) == 0
    ledger.experiment.store.client.delete_run(recorders[0].run_id)
    assert ledger.lacking(results) == 1
    for file in Path.cwd().glob("mlflow.db*"):
        file.unlink()
    assert ledger.lacking(results) == 2
