"""Jobs and slots, where the test says how each job ends."""

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
from begun_jobs import begun
from sweep_results import job

from mnist_exp.config.compose import compose
from mnist_exp.core.errors import ExperimentError
from mnist_exp.sweeps.execute.scheduler import Scheduler
from mnist_exp.sweeps.plan import PlannedJob
from mnist_exp.sweeps.task import Assignment


class Engine:
    """Two slots, whose jobs end as they are told."""

    name, slots = "a test", 2

    def __init__(self):
        """Has no jobs yet."""
        self.futures: list[Future] = []

    def submit(self, task):
        """Begins a job."""
        self.futures.append(Future())
        return self.futures[-1]

    def withdraw(self):
        """Has nothing that waits."""

    def lost_machine(self, _problem):
        return False

    def cancel(self):
        """Has nothing that runs."""


def made(division, engine, task=lambda planned: planned, retries=0):
    return Scheduler(
        division,
        engine,
        task=task,
        outputs=Path("outputs"),
        retries=retries,
        started=lambda planned: None,
    )


def test_a_job_that_fails_after_the_stop_is_told_of_and_not_tried_again():
    engine, told = Engine(), []
    draft = SimpleNamespace(assignment=SimpleNamespace(overrides=("model=mlp",)))
    jobs = [PlannedJob(number, draft, "") for number in range(3)]

    def look():
        """Ends the first job; the second fails when the sweep is being stopped."""
        if not told:
            engine.futures[0].set_result(job(0))

    def ended(result):
        told.append((result.number, result.outcome))
        assert result.overrides == ("model=mlp",)  # as this plan has it, whoever began the job
        scheduler.stop()
        if not engine.futures[1].done():
            engine.futures[1].set_result(job(1, outcome="failed"))

    division = SimpleNamespace(
        next=lambda: jobs.pop(0) if jobs else None, look=look, is_over=lambda: False, end=ended
    )
    scheduler = made(division, engine, retries=1)
    scheduler.run()
    assert told == [(0, "finished"), (1, "failed")]
    assert len(engine.futures) == 2


def test_a_stop_that_is_learned_of_while_a_job_is_taken_begins_none():
    engine = Engine()
    engine.submit = lambda _: pytest.fail("a job has begun")

    def take():
        scheduler.stop()
        return PlannedJob(0, SimpleNamespace(), "")

    scheduler = made(
        SimpleNamespace(next=take, look=lambda: None, is_over=lambda: False), engine, retries=0
    )
    scheduler.run()


def test_a_job_that_outlives_its_engine_keeps_one_slot(sealed_environment):
    """The other slot takes jobs meanwhile; what the job reaches in the end counts."""
    engine, told = Engine(), []
    recorder = begun(0, key="key")
    draft = SimpleNamespace(assignment=SimpleNamespace(overrides=("model=mlp",)))
    folders = [recorder.job_dir.name, "job-1", "job-2"]
    jobs = [PlannedJob(number, draft, folder) for number, folder in enumerate(folders)]

    def look():
        """Ends what runs, one after the other."""
        if not told and not engine.futures[0].done():
            engine.futures[0].set_exception(RuntimeError("the worker is gone"))
            engine.futures[1].set_result(job(1))
        elif len(engine.futures) == len(folders) and not engine.futures[2].done():
            engine.futures[2].set_result(job(2))
        elif told == [1, 2]:
            recorder.metrics({"val/accuracy": 0.5}, step=1)
            recorder.end("finished")

    division = SimpleNamespace(
        next=lambda: jobs.pop(0) if jobs else None,
        look=look,
        is_over=lambda: not jobs,
        end=lambda result: told.append(result.number),
    )
    made(division, engine).run()
    assert told == [1, 2, 0]


@pytest.mark.parametrize("others_run", [True, False])
def test_a_job_that_never_begins_is_at_fault_where_others_run(others_run, sealed_environment):
    """As one does that takes down each worker of a cluster that does not see this folder."""
    engine, told = Engine(), []
    config = compose(["data=digits"]).config
    draft = SimpleNamespace(config=config, assignment=Assignment("key", ("model=mlp",)))
    jobs = [PlannedJob(number, draft, f"job-{number}") for number in range(2)]
    is_fine = {0} if others_run else set()

    def task(planned):
        return planned.number

    def submit(number):
        future = Future()
        if number in is_fine:
            future.set_result(job(number))
        else:
            future.set_exception(RuntimeError("the worker died"))
        return future

    engine.submit = submit
    division = SimpleNamespace(
        next=lambda: jobs.pop(0) if jobs else None,
        look=lambda: None,
        is_over=lambda: not jobs,
        end=lambda result: told.append((result.number, result.outcome, result.reason)),
    )
    scheduler = made(division, engine, task=task, retries=0)
    if others_run:
        scheduler.run()
        reason = "its process died: RuntimeError: the worker died"
        assert told == [(0, "finished", ""), (1, "killed", reason)]
    else:
        with pytest.raises(ExperimentError, match="Expected a test to run jobs"):
            scheduler.run()
