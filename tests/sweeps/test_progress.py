"""What a terminal shows of a sweep while it runs."""

import io

from rich.console import Console
from sweep_results import job

from mnist_exp.config.compose import compose
from mnist_exp.sweeps.execute.progress import Progress
from mnist_exp.sweeps.plan import Draft, PlannedJob
from mnist_exp.sweeps.task import Assignment
from mnist_exp.tracking.recorder import Recorder

OWN = ("model=deep_cnn", "optimizer.learning_rate=0.01", "a.b=[c]", "seed=3")


def planned(number, own):
    draft = Draft((), (), compose([]).config, {}, Assignment("", own))
    return PlannedJob(number, draft, f"job-{number}")


def test_a_summary_stands_on_one_line_over_a_line_for_each_job(tmp_path):
    progress = Progress(total=3, outputs=tmp_path, slots=1)
    long = (*OWN, "training.label_smoothing=0.123456789")
    for number in (1, 2):
        progress.watch(planned(number, long[: 3 + number]))
    progress.note(job(0, OWN, 0.51, seconds=5.0))
    progress._running |= {1: "starting", 2: "epoch 1, validation 51.00%"}
    text = io.StringIO()
    Console(file=text, width=80).print(progress._view())
    assert [line.rstrip() for line in text.getvalue().splitlines()] == [
        "1 of 3 done  2 running  best 51.00% (job 0), 10 s left",
        "job 1  model=deep_cnn learning_rate=0.01 b=[c] seed…  starting",
        "job 2  model=deep_cnn learning_rate=0.01 b=[c] seed…  epoch 1, validation 51.00%",
    ]


def test_a_job_that_ends_while_it_is_looked_at_is_not_shown_as_running(
    sealed_environment, monkeypatch
):
    progress = Progress(total=1, outputs=sealed_environment, slots=1)
    progress.watch(planned(1, OWN))
    (sealed_environment / "job-1").mkdir()
    recorder = Recorder.start(
        sealed_environment / "job-1",
        job_id="job-1",
        run_name="cnn-1",
        uri=None,
        experiment="mnist",
        config={},
        params={},
        tags={},
        description="",
    )
    progress._look(1, planned(1, OWN))
    assert progress._running == {1: "starting"}

    def ends(*_: object) -> str:
        progress.note(job(1, OWN, 0.5))
        return "epoch 1"

    monkeypatch.setattr("mnist_exp.sweeps.execute.progress._state", ends)
    progress._look(1, planned(1, OWN))
    assert progress._running == {}
    recorder.end("finished")
