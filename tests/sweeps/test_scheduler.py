"""Jobs and slots, where the test says how each job ends."""

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

from sweep_results import job

from mnist_exp.sweeps.execute.scheduler import Scheduler
from mnist_exp.sweeps.plan import PlannedJob


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

    scheduler = Scheduler(
        engine,
        task=lambda planned: planned,
        outputs=Path("outputs"),
        retries=1,
        started=lambda planned: None,
        ended=ended,
    )
    source = SimpleNamespace(
        next=lambda: jobs.pop(0) if jobs else None, look=look, is_over=lambda: False
    )
    scheduler.run(source)
    assert told == [(0, "finished"), (1, "failed")]
    assert len(engine.futures) == 2
