"""A sweep whose jobs are ensembles: their members are no jobs, and a killed job resumes."""

import os
import signal

import waiting
from projects import ENSEMBLE, store

from mnist_exp.sweeps.execute import progress
from mnist_exp.tracking.journal.state import state_of

ENSEMBLES = (*ENSEMBLE[:-1], "seed=0,1", "sweep.retries=1")


def test_ensembles_as_jobs(folder, ensemble):
    process = folder.start("train", "-m", *ENSEMBLES)
    member = waiting.for_journal(folder.path, '"step": 5', process=process, jobs="*/members/1")
    job_dir = member.parents[1]
    assert progress._state(job_dir, state_of(job_dir)).startswith("member 2, epoch ")
    os.kill(folder.worker_of(job_dir), signal.SIGKILL)
    ended = folder.end(process, 0)
    assert "2 of 2" in ended.stderr
    assert '"event": "resumed"' not in (job_dir / "members/0/journal.jsonl").read_text()
    found = folder.runs()
    jobs = sorted((run for run in found if not run.is_member), key=lambda run: run.params["seed"])
    members = [run for run in found if run.is_member]
    assert [(run.params["seed"], run.outcome) for run in jobs] == [
        ("0", "finished"),
        ("1", "finished"),
    ]
    assert {run.params["seed"] for run in members} == {"0", "1", "2", "3"}
    assert len(members) == 4
    parent = folder.parent()
    assert parent.metrics["sweep/jobs"] == 2
    assert {run.tags["mlflow.parentRunId"] for run in jobs} == {parent.run_id}
    assert {run.tags["mlflow.parentRunId"] for run in members} == {run.run_id for run in jobs}
    assert {run.params["sweep.job"] for run in members} == {"null"}
    again = folder.train("-m", *ENSEMBLES)
    assert "all 2 jobs are done" in again.stderr
    (alone,) = (run for run in store(ensemble).search() if not run.is_member)
    assert folder.results(jobs[1]) == folder.results(alone)
