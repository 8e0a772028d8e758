"""What a terminal shows of a sweep while it runs."""

import io
import time

import pytest
from rich.console import Console
from sweep_results import job

from mnist_exp.config.compose import compose
from mnist_exp.sweeps.execute import progress as module
from mnist_exp.sweeps.execute.progress import Progress, recording
from mnist_exp.sweeps.plan import Draft, PlannedJob
from mnist_exp.sweeps.task import Assignment
from mnist_exp.tracking.recorder import Recorder

OWN = ("model=deep_cnn", "optimizer.learning_rate=0.01", "a.b=[c]", "seed=3")


def planned(number, own):
    draft = Draft((), (), compose([]).config, {}, Assignment("", own))
    return PlannedJob(number, draft, f"job-{number}")


def begun(outputs, number):
    """Returns the record of a job that has begun."""
    job_dir = outputs / f"job-{number}"
    job_dir.mkdir()
    return Recorder.start(
        job_dir,
        job_id=job_dir.name,
        run_name=f"cnn-{number}",
        uri=None,
        experiment="mnist",
        config={},
        params={},
        tags={},
        description="",
    )


def on_a_terminal(monkeypatch, width):
    """Lets consoles be terminals of some width; returns what is written there."""
    written = io.StringIO()

    def console(**_: object) -> Console:
        return Console(file=written, width=width, force_terminal=True, color_system=None)

    monkeypatch.setattr(module.terminal, "console", console)
    return written


def test_a_summary_stands_on_one_line_over_a_line_for_each_job(tmp_path):
    progress = Progress(total=3, outputs=tmp_path, queue=False)
    long = (*OWN, "loss.label_smoothing=0.123456789")
    for number in (1, 2):
        progress.watch(planned(number, long[: 3 + number]))
    progress.note(job(0, OWN, 0.51, seconds=5.0))
    progress._running |= {1: "starting", 2: "epoch 1, validation 51.00%"}
    text = io.StringIO()
    Console(file=text, width=80).print(progress._view())
    assert [line.rstrip() for line in text.getvalue().splitlines()] == [
        "1 of 3 done  2 running  best 51.00% (job 0), 5 s left",
        "job 1  model=deep_cnn learning_rate=0.01 b=[c] seed…  starting",
        "job 2  model=deep_cnn learning_rate=0.01 b=[c] seed…  epoch 1, validation 51.00%",
    ]


def test_a_job_that_ends_while_it_is_looked_at_is_not_shown_as_running(
    sealed_environment, monkeypatch
):
    progress = Progress(total=1, outputs=sealed_environment, queue=False)
    progress.watch(planned(1, OWN))
    recorder = begun(sealed_environment, 1)
    progress._look(planned(1, OWN))
    assert progress._running == {1: "starting"}

    def ends(*_: object) -> str:
        progress.note(job(1, OWN, 0.5))
        return "epoch 1"

    monkeypatch.setattr("mnist_exp.sweeps.execute.progress._state", ends)
    progress._look(planned(1, OWN))
    assert progress._running == {}
    recorder.end("finished")


def test_a_job_may_be_handed_over_at_any_moment_of_a_look(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.001)
    sizes = Progress._size

    def size(self, job):
        time.sleep(0.02)  # a slow disk; an exception in the watching thread fails this test
        return sizes(self, job)

    monkeypatch.setattr(Progress, "_size", size)
    with Progress(total=9, outputs=tmp_path, queue=False) as progress:
        for number in range(9):
            progress.watch(planned(number, OWN))
            progress.note(job(number, OWN, 0.5))


def test_a_line_of_a_job_fits_a_terminal_by_its_config_alone(tmp_path, monkeypatch):
    ended = [
        job(1, OWN[:-1], 0.51),
        job(2, (), 0.51),
        job(2, ["model=" + "x" * 40], 0.51),
        job(3, OWN[:-1], outcome="failed", reason="x" * 80),
    ]
    failed = f"failed: {'x' * 80}, 10.0 s  [0 of 9]"
    on_a_terminal(monkeypatch, 80)
    progress = Progress(total=9, outputs=tmp_path, queue=False)
    assert [progress._line(result, "") for result in ended] == [
        "job 1 (model=deep_cnn learning_rat… seed=0): validation 51.00%, 10.0 s  [0 of 9]",
        "job 2 (seed=0): validation 51.00%, 10.0 s  [0 of 9]",
        f"job 2 (model={'x' * 21}… seed=0): validation 51.00%, 10.0 s  [0 of 9]",
        f"job 3 (model=deep_cnn learning_rate=0.01 b=[c] seed=0): {failed}",
    ]
    on_a_terminal(monkeypatch, 52)
    narrow = Progress(total=9, outputs=tmp_path, queue=False)
    assert narrow._line(ended[0], "") == "job 1 (model=…): validation 51.00%, 10.0 s  [0 of 9]"
    monkeypatch.undo()
    progress = Progress(total=9, outputs=tmp_path, queue=False)
    whole = "(model=deep_cnn learning_rate=0.01 b=[c] seed=0): validation 51.00%, 10.0 s  [0 of 9]"
    assert progress._line(ended[0], "") == f"job 1 {whole}"


def test_only_jobs_at_work_shorten_what_is_left(sealed_environment, capsys):
    progress = Progress(total=100, outputs=sealed_environment, queue=True)
    begun(sealed_environment, 5).end("killed")  # by an earlier command; this one goes on there
    for number in range(20):
        progress.watch(planned(number, OWN))
    for number in (0, 12):
        begun(sealed_environment, number)
    for number in (0, 12, 5):
        progress._look(planned(number, OWN))
    assert progress._summary() == "0 of 100 done  2 running  18 waiting"
    progress.note(job(0, OWN, 0.5, seconds=100.0))
    assert "[1 of 100, 1:22:30 left]" in capsys.readouterr().err  # the slot that frees counts
    assert progress._summary().endswith("1 running  18 waiting  best 50.00% (job 0), 2:45:00 left")
    text = io.StringIO()
    Console(file=text, width=80).print(progress._view())
    states = [line.split()[1::5] for line in text.getvalue().splitlines()[1:]]
    assert states == [["12", "starting"], *([str(n), "waiting"] for n in range(1, 8))]


def test_nothing_is_said_of_the_time_left_while_all_wait(tmp_path):
    progress = Progress(total=4, outputs=tmp_path, queue=True)
    progress.watch(planned(0, OWN))
    progress.note(job(0, OWN, 0.5, run_name=""))
    progress.watch(planned(1, OWN))
    assert progress._summary() == "1 of 4 done  0 running  1 waiting  best 50.00% (job 0)"


def test_where_journals_are_out_of_reach_no_job_is_said_to_wait(tmp_path):
    progress = Progress(total=4, outputs=tmp_path, queue=True)
    for number in range(3):
        progress.watch(planned(number, OWN))
    progress.note(job(0, OWN, 0.5))
    assert progress._running == {1: "starting", 2: "starting"}
    progress.watch(planned(3, OWN))
    assert "3 running  best" in progress._summary()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_happens_after_the_last_job_is_told_on_a_terminal_alone(terminal, monkeypatch, capsys):
    written = on_a_terminal(monkeypatch, 80) if terminal else io.StringIO()
    with recording():
        pass
    assert ("Recording the results and drawing pictures" in written.getvalue()) == terminal
    assert capsys.readouterr() == ("", "")
