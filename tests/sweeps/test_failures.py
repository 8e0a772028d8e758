"""Jobs that fail or die: recorded with a reason, tried again if asked, and the others unharmed."""

import os
import signal

from invoke import python
from projects import SMOKE

SMALL = ["data=digits", *SMOKE, "model=seed_mlp"]
# Nine terabytes of weights fail where they are allocated.
HUGE = "[3000000000]"
UNWRITABLE = """
from mnist_exp import cli
from mnist_exp.sweeps.execute import parent

def begin(*_):
    print("begun")
    raise OSError("no room")

parent.Parent.begin = begin
cli.main()
"""


def test_one_job_fails_and_the_worker_of_another_is_killed(folder):
    sweep = [*SMALL, f"model.hidden_units=[8],{HUGE},[16]", "sweep.retries=1"]
    process = folder.start("train", "-m", *sweep, "training.epochs=9")
    job_dir = folder.wait_for('"model.hidden_units": "[16]"', '"step": 2', process=process)
    os.kill(folder.worker_of(job_dir), signal.SIGKILL)
    ended = folder.end(process, 1)
    assert "1 of 3 that failed" in ended.stderr
    assert "job 1 (hidden_units=[3000000000]): failed: " in ended.stderr
    assert ended.stdout.count("job 1, hidden_units=[3000000000] seed=0: ") == 1
    jobs = folder.jobs()
    assert [run.outcome for run in jobs.values()] == ["finished", "failed", "finished"]
    assert jobs[1].status == "FAILED"
    assert "OOM" in jobs[1].tags["mnist_exp.failure"]
    assert attempts(folder, jobs) == [1, 2, 2]
    parent = folder.parent()
    assert (parent.status, parent.outcome) == ("FAILED", "failed")
    assert parent.metrics["sweep/failed"] == 1
    assert folder.processes() == {}


def test_a_record_that_cannot_begin_is_tried_once(sealed_environment):
    done = python(UNWRITABLE, "train", "-m", "data=digits", *SMOKE, "seed=0,1")
    assert done.returncode == 1
    assert done.stdout.count("begun") == 1
    assert "Expected to run the sweep to its end. Received: OSError: no room." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_can_stop_the_sweep(folder):
    sweep = [*SMALL, f"model.hidden_units={HUGE},[8],[16]", "sweep.on_failure=stop"]
    ended = folder.train("-m", *sweep, code=1)
    assert "1 of 1 that failed" in ended.stderr
    assert [run.outcome for run in folder.jobs().values()] == ["failed"]
    assert folder.parent().outcome == "failed"


def attempts(folder, jobs):
    """Returns how often each job was begun."""
    journals = [folder.path / "outputs" / run.job_id / "journal.jsonl" for run in jobs.values()]
    return [1 + journal.read_text().count('{"event": "resumed"') for journal in journals]
