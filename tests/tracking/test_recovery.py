"""Whatever kills a run or its server, MLflow ends up with every journalled value, once."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from invoke import here
from journals import retell, spoil
from projects import artifact
from waiting import until

from mnist_exp.core import ids
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events, pending_runs
from mnist_exp.tracking.journal.events import Artifact, Metrics, Model, now
from mnist_exp.tracking.journal.pending_runs import add, pending
from mnist_exp.tracking.journal.staging import digest_of
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import OUTCOME_TAG
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync.recovery import lost, recover, send_ended

OUTAGE = "http://127.0.0.1:9"

# A run that records without end, until it is killed.
RUN = """
import sys
from pathlib import Path
from mnist_exp.tracking.recorder import Recorder
job_dir = Path("outputs") / sys.argv[1]
if job_dir.exists():
    recorder = Recorder.resume(job_dir)
else:
    job_dir.mkdir(parents=True)
    recorder = Recorder.start(
        job_dir, job_id=sys.argv[1], run_name="cnn", uri=None, experiment="mnist", config={},
        params={"seed": "1"}, tags={}, description="",
    )
recorder.artifact("log.txt", lambda file: file.write_text("log"))
step = 0
while True:
    step += 1
    recorder.metrics({"train/loss": 1 / step, "val/accuracy": step / 1000}, step=step)
    if step == 20:
        print("running", flush=True)
"""


def journalled_steps(job_dir: Path) -> list[int]:
    events = [entry.event for entry in journal.read(job_dir)]
    return sorted({event.step for event in events if isinstance(event, Metrics)})


def recorded_steps(store: Store, run_id: str, key: str) -> list[int]:
    return [metric.step for metric in store.client.get_metric_history(run_id, key)]


def test_nothing_pending_is_cheap(sealed_environment):
    assert recover(sealed_environment) == []
    assert list(sealed_environment.iterdir()) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_link_among_staged_files_is_not_followed(store, start_run, sealed_environment, whole):
    recorder = start_run()
    recorder.end("killed")
    theirs, staged = sealed_environment / "theirs", recorder.job_dir / "artifacts"
    theirs.mkdir()
    (theirs / "secret").write_text("secret")
    staged.mkdir(exist_ok=True)
    if whole:
        (staged / "model").symlink_to(theirs)
    else:
        (staged / "model").mkdir()
        (staged / "model" / "inner").symlink_to(theirs / "secret")
    (staged / "log.txt").symlink_to(theirs / "secret")
    writer = journal.Journal.reopen(recorder.job_dir)
    writer.append(Model(1, "model", [], "3", "tensorflow"))
    writer.append(Artifact(2, "log.txt", digest_of(theirs / "secret")))
    writer.close()
    add(sealed_environment, "job-1", recorder.job_dir)
    (recovered,) = recover(sealed_environment)
    assert "model is a link, or holds one" in recovered.problem
    assert "log.txt is a link" in recovered.problem
    assert [file.name for file in theirs.iterdir()] == ["secret"]
    assert not [f for f in (sealed_environment / "mlruns").rglob("*") if f.name == "secret"]


def test_a_journal_that_names_no_store_is_told_of_and_stops_nothing(
    store, start_run, sealed_environment
):
    for name in ("job-1", "job-2"):
        start_run(name, uri=OUTAGE).end("killed")
    retell(sealed_environment / "outputs" / "job-1", OUTAGE, "sqlite:///")
    retell(sealed_environment / "outputs" / "job-2", OUTAGE, store.uri)
    broken, sent = recover(sealed_environment)
    assert (broken.result, sent.result) == ("broken", "sent")
    assert "Expected tracking.uri to name a SQLite file" in broken.problem


def test_what_ended_on_another_machine_stays_as_it_ended(store, python, sealed_environment):
    job = ids.new()
    process = python(RUN, job)
    process.stdout.readline()
    run = until(lambda: store.find_run(job), process=process)
    process.kill()
    process.communicate()
    store.set_tags(run.run_id, {OUTCOME_TAG: "finished"})
    store.end_run(run.run_id, "FINISHED", now() + 1000)
    assert [recovered.result for recovered in recover(sealed_environment)] == ["elsewhere"]
    run = store.find_run(job)
    assert (run.status, run.outcome) == ("FINISHED", "finished")
    assert recover(sealed_environment) == []
    assert lost(sealed_environment) == []
    refused = here("resume", run.name)
    assert refused.returncode == 2
    assert "which went on in another folder and has finished" in refused.stderr


@pytest.mark.parametrize("is_open", [False, True])
def test_what_went_on_on_another_machine_is_not_sent_over(store, start_run, is_open):
    """As the record of a sweep that was given again elsewhere, and is at work or was stopped."""
    recorder = start_run("job-1")
    recorder.end("finished")
    run = store.find_run("job-1")
    store.set_tags(run.run_id, {OUTCOME_TAG: "killed"})
    store.end_run(run.run_id, "KILLED", run.end_time + 1000)
    if is_open:
        store.reopen_run(run.run_id)
    assert not send_ended(Path.cwd(), [store.find_run("job-1")])
    assert lost(Path.cwd()) == []


def test_a_journal_that_was_ended_here_is_not_sent_over_an_end_elsewhere(store, start_run):
    recorder = start_run("job-1", uri=OUTAGE)
    recorder.end("killed")
    job_dir = recorder.job_dir
    sent = start_run("job-2", uri=store.uri)
    sent.end("finished")
    run = store.find_run("job-2")
    store.set_tags(run.run_id, {"mnist_exp.job_id": "job-1"})
    retell(job_dir, OUTAGE, store.uri)
    assert [recovered.result for recovered in recover(Path.cwd())] == ["elsewhere"]
    assert store.find_run("job-1").outcome == "finished"


def sent_bytes(job_dir: Path) -> str:
    """Returns what a run has noted of what it sent."""
    note = job_dir / "journal.sent"
    return note.read_text() if note.exists() else ""


def when_it_sends(process, job_dir: Path, number: int) -> None:
    """Waits: not at all, for the first word that something was sent, for more such words."""
    for _ in range(number):
        before = sent_bytes(job_dir)
        until(lambda before=before: sent_bytes(job_dir) != before, process=process)


def at_random(process, job_dir: Path, number: int) -> None:
    """Waits for seconds: from "mlflow is being imported" to "in the middle of sending"."""
    del process, job_dir
    time.sleep(random.Random(number).uniform(0, 3))


@pytest.mark.parametrize(
    ("wait", "kills"),
    [
        (when_it_sends, 3),
        pytest.param(
            at_random, 10, marks=pytest.mark.long("a recording run killed at ten random moments")
        ),
    ],
)
def test_a_run_killed_at_any_moment_is_completed_by_the_next_command(
    wait, kills, store, python, sealed_environment
):
    job_dir = sealed_environment / "outputs" / "job-1"
    for number in range(kills):
        process = python(RUN, "job-1")
        assert process.stdout.readline() == "running\n", process.stderr.read()
        (alive,) = recover(sealed_environment)
        assert (alive.result, alive.killed) == ("alive", False)
        wait(process, job_dir, number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (recovered,) = recover(sealed_environment)
    assert (recovered.result, recovered.killed, recovered.problem) == ("sent", True, "")
    (run,) = store.search()
    assert (run.run_id, run.status, run.outcome) == (recovered.run_id, "KILLED", "killed")
    assert run.end_time == journal.read(job_dir)[-1].event.time
    steps = journalled_steps(job_dir)
    assert len(steps) >= 20
    for key in ("train/loss", "val/accuracy"):
        assert recorded_steps(store, run.run_id, key) == steps
    assert artifact(store, run.run_id, "log.txt").read_text() == "log"
    assert recover(sealed_environment) == []


@pytest.mark.parametrize("lost", ["cache", "confirmations"])
def test_what_mlflow_has_is_not_sent_again(store, start_run, sealed_environment, lost):
    recorder = start_run()
    recorder.dataset(name="digits", digest="1" * 64, source="digits", sizes={"train": 1})
    for step in range(5):
        recorder.metrics({"train/loss": 1.0}, step=step)
    recorder.end("killed")
    sent = recorder.job_dir / "journal.sent"
    if lost == "cache":
        sent.unlink()
    else:
        sent.write_text('{"offset": 0, "run_id": null}')
    again = Recorder.resume(recorder.job_dir)
    again.metrics({"train/loss": 1.0}, step=5)
    again.end("finished")
    (run,) = store.search()
    assert recorded_steps(store, run.run_id, "train/loss") == list(range(6))
    assert len(store.client.get_run(run.run_id).inputs.dataset_inputs) == 1


def test_a_run_whose_store_was_lost_is_sent_anew(store, start_run, empty_store):
    recorder = start_run()
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.end("killed")
    store.client.delete_run(recorder.run_id)
    retell(recorder.job_dir, "mlflow.db", "other.db")
    (Path.cwd() / "other.db").write_bytes(empty_store.read_bytes())
    Recorder.resume(recorder.job_dir).end("failed")
    (run,) = Store(store.uri.replace("mlflow.db", "other.db"), "mnist").search()
    assert (run.status, run.metrics) == ("FAILED", {"train/loss": 1.0})


def test_a_run_that_died_before_its_journal_is_forgotten(sealed_environment):
    outputs = sealed_environment / "outputs"
    (outputs / "job-1").mkdir(parents=True)
    journal.hold(outputs / "job-1").release()
    for job_id in ("job-1", "job-2"):
        pending_runs.add(sealed_environment, job_id, outputs / job_id)
    (outputs / "job-1" / ".journal.jsonl.part").touch()
    assert [run.result for run in recover(sealed_environment)] == ["gone", "gone"]
    assert list((outputs / ".pending").iterdir()) == []
    assert not list(outputs.rglob("*.part"))


@pytest.mark.parametrize("left", [False, True])
def test_a_killed_run_whose_folder_was_deleted_does_not_stay_running(
    store, python, sealed_environment, monkeypatch, left
):
    """Or whose journal alone was."""
    process = python(RUN, "job-1")
    job_dir = sealed_environment / "outputs" / "job-1"
    when_it_sends(process, job_dir, 1)
    process.kill()
    process.wait()
    assert store.find_run("job-1").status == "RUNNING"
    shutil.rmtree(job_dir)
    if left:
        (job_dir / "checkpoints").mkdir(parents=True)
    synced = here("sync")  # it may have been moved, and go on
    assert "left alone: another process may work on it (its folder, or its journal, is gone" in (
        synced.stdout
    )
    assert store.find_run("job-1").status == "RUNNING"
    later = now() + 1000 * 3600
    monkeypatch.setattr(events, "now", lambda: later)
    (forgotten,) = recover(sealed_environment)
    assert (forgotten.result, forgotten.killed) == ("gone", True)
    assert forgotten.problem == "MLflow had it as running, and has it as killed now."
    run = store.find_run("job-1")
    assert (run.status, run.outcome) == ("KILLED", "killed")
    assert recover(sealed_environment) == []


def test_a_run_whose_folder_was_deleted_waits_for_its_server(
    server, start_run, sealed_environment, monkeypatch
):
    server.up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    recorder = start_run(uri=server.uri)
    until(lambda: recorder.run_id)
    shutil.rmtree(recorder.job_dir)
    server.down()
    assert [run.result for run in recover(sealed_environment)] == ["waiting"]
    server.up()
    later = now() + 1000 * 3600
    monkeypatch.setattr(events, "now", lambda: later)
    assert [(run.result, run.killed) for run in recover(sealed_environment)] == [("gone", True)]
    assert Store(server.uri, "mnist").find_run("job-1").status == "KILLED"


def test_a_broken_journal_is_reported_and_left(start_run, sealed_environment):
    recorder = start_run(uri=OUTAGE)
    recorder.end("killed")
    (recorder.job_dir / journal.FILE_NAME).write_text("nonsense\n")
    (broken,) = recover(sealed_environment)
    assert broken.result == "broken"
    assert "Expected a checksum in each line" in broken.problem
    assert len(list(pending(sealed_environment))) == 1


@pytest.mark.parametrize("command", [("runs",), ("sync",), ("resume", "outputs/job-1")])
def test_a_run_without_its_first_line_does_not_stay_running(
    store, python, sealed_environment, command
):
    process = python(RUN, "job-1")
    job_dir = sealed_environment / "outputs" / "job-1"
    when_it_sends(process, job_dir, 1)
    process.kill()
    process.wait()
    steps = journalled_steps(job_dir)
    whole = (job_dir / journal.FILE_NAME).read_bytes()
    spoil(job_dir, '"event": "start"')
    done = here(*command)
    (run,) = store.search()
    assert (run.status, run.outcome) == ("KILLED", "killed")
    assert run.end_time >= run.start_time
    said = "1 run." if command == ("runs",) else "line 1 is damaged or missing"
    assert said in done.stdout + done.stderr
    assert ("has it as killed now" in done.stdout) == (command == ("sync",))
    (job_dir / journal.FILE_NAME).write_bytes(whole)
    assert [recovered.result for recovered in recover(sealed_environment)] == ["sent"]
    assert recorded_steps(store, run.run_id, "train/loss") == steps


def test_a_project_that_moved_is_still_recovered(start_run, sealed_environment, store):
    recorder = start_run()
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.end("killed")
    recorder = Recorder.resume(recorder.job_dir)
    recorder.end("killed")
    pending_runs.add(sealed_environment, "job-1", recorder.job_dir)
    moved = sealed_environment.rename(sealed_environment.with_name("project"))
    (recovered,) = recover(moved)
    assert (recovered.result, recovered.run_id) == ("sent", recorder.run_id)


def test_what_is_sent_later_says_nothing_on_stdout(server, start_run, monkeypatch):
    recorder = start_run(uri=server.uri)
    assert not recorder.end("finished")
    server.up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    (run,) = json.loads(here("runs", "--json", check=True).stdout)
    assert run["status"] == "FINISHED"


def test_a_server_goes_down_and_comes_back(server, start_run, sealed_environment, capfd):
    server.up()
    recorder = start_run(uri=server.uri)
    recorder.metrics({"train/loss": 1.0}, step=1)
    until(lambda: recorder.run_id)
    server.down()
    began = time.monotonic()
    for step in range(2, 50):
        recorder.metrics({"train/loss": 1 / step}, step=step)
    recorder.artifact("log.txt", lambda file: file.write_text("log"))
    assert time.monotonic() - began < 5  # nothing waits for the server
    assert recorder.end("finished") is False
    assert "mnist-exp sync" in capfd.readouterr().err
    (waiting,) = recover(sealed_environment)
    assert (waiting.result, waiting.killed) == ("waiting", False)

    server.up()
    (sent,) = recover(sealed_environment)
    assert (sent.result, sent.problem) == ("sent", "")
    store = Store(server.uri, "mnist")
    (run,) = store.search()
    events = [entry.event for entry in journal.read(recorder.job_dir)]
    assert (run.run_id, run.status, run.end_time) == (sent.run_id, "FINISHED", events[-1].time)
    history = store.client.get_metric_history(run.run_id, "train/loss")
    journalled = [(e.step, e.time) for e in events if isinstance(e, Metrics)]
    assert [(m.step, m.timestamp) for m in history] == journalled
    assert artifact(store, run.run_id, "log.txt").read_text() == "log"
    assert not (recorder.job_dir / "artifacts").exists()
    assert recover(sealed_environment) == []


def test_runs_whose_store_is_gone_are_sent_to_another_and_stay_there(
    store, start_run, sealed_environment
):
    for job_id in ("job-1", "job-2"):
        recorder = start_run(job_id, uri=OUTAGE)
        recorder.metrics({"train/loss": 1.0}, step=1)
        recorder.end("killed")
    tried = recover(sealed_environment, to=f"{OUTAGE}99")
    assert [run.result for run in tried] == ["waiting", "waiting"]
    uris = {state_of(marker.job_dir).start.uri for marker in pending(sealed_environment)}
    assert uris == {f"{OUTAGE}99"}
    sent = recover(sealed_environment, to=store.uri)
    assert [(run.result, run.problem) for run in sent] == [("sent", "")] * 2
    assert list(pending(sealed_environment)) == []
    assert {run.job_id for run in store.search()} == {"job-1", "job-2"}

    again = Recorder.resume(recorder.job_dir)
    again.metrics({"train/loss": 0.5}, step=2)
    assert again.end("finished") is True
    run = store.find_run("job-2")
    assert (run.outcome, run.metrics) == ("finished", {"train/loss": 0.5})
    assert recorded_steps(store, run.run_id, "train/loss") == [1, 2]


def test_the_sender_finds_a_server_that_comes_up_during_the_run(server, start_run, capfd):
    recorder = start_run(uri=server.uri)
    recorder.metrics({"train/loss": 1.0}, step=1)
    server.up()
    assert recorder.end("finished") is True
    assert capfd.readouterr().err == ""
    assert list(pending(recorder.job_dir.parent.parent)) == []
