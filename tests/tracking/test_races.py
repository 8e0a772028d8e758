"""What happens while a run is sent, recovered or looked for: nothing is lost, nothing is held."""

import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest
from waiting import until

from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import lines, pending_runs
from mnist_exp.tracking.journal.events import Metrics, Resumed, now
from mnist_exp.tracking.mlflow import relocation
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import JOB_ID_TAG
from mnist_exp.tracking.read import artifacts
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync import readback, recovery
from mnist_exp.tracking.sync.recovery import recover
from mnist_exp.tracking.sync.replay import Replay
from mnist_exp.tracking.sync.thread import Sender

UNREACHABLE = "http://127.0.0.1:9"


def mark(content: object) -> None:
    """Writes a mark as a stranger may, who knows how marks are sealed."""
    folder = Path("outputs/.pending")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job-9").write_bytes(lines.seal(json.dumps(content), 1))


def test_a_run_that_goes_on_while_it_is_sent_keeps_its_mark(
    store, start_run, sealed_environment, monkeypatch
):
    recorder = start_run()
    recorder.end("killed")
    pending_runs.add(sealed_environment, "job-1", recorder.job_dir)
    advance, resumed = Replay.advance, []

    def advance_late(replay):
        sent = advance(replay)
        if not resumed:  # as another terminal does
            writer = journal.Journal.reopen(recorder.job_dir)
            resumed.append(writer)
            pending_runs.add(sealed_environment, "job-1", recorder.job_dir)
            writer.append(Resumed(now()))
        return sent

    monkeypatch.setattr(Replay, "advance", advance_late)
    assert [found.result for found in recover(sealed_environment)] == ["sent"]
    assert pending_runs.is_pending(sealed_environment, "job-1")
    resumed[0].close()  # as kill -9 does
    assert [found.killed for found in recover(sealed_environment)] == [True]
    assert not pending_runs.is_pending(sealed_environment, "job-1")


def test_a_run_in_a_deleted_experiment_keeps_no_other_back(store, start_run, sealed_environment):
    client = store.client
    client.delete_experiment(client.create_experiment("old"))
    for job_id, experiment in (("job-1", "old"), ("job-2", "mnist")):
        start_run(job_id, experiment=experiment, uri=UNREACHABLE).end("killed")
    found = recover(sealed_environment, to=store.uri)
    assert [one.result for one in found] == ["waiting", "sent"]
    assert "which was deleted" in found[0].problem


def test_what_was_measured_anew_is_what_mlflow_shows(store, start_run):
    recorder = start_run()
    recorder.metrics({"test/accuracy": 0.5, "test/loss": float("nan")})
    recorder.end("failed")
    recorder = Recorder.resume(recorder.job_dir)
    time.sleep(0.002)  # a later millisecond
    recorder.metrics({"test/accuracy": 0.25, "test/loss": float("nan")})
    assert recorder.end("finished")
    history = store.client.get_metric_history(recorder.run_id, "test/accuracy")
    assert [point.value for point in history] == [0.5, 0.25]
    assert len(store.client.get_metric_history(recorder.run_id, "test/loss")) == 1
    assert store.get(recorder.run_id).metrics["test/accuracy"] == 0.25


def test_a_store_that_is_away_is_asked_once_for_all_journals(
    store, start_run, sealed_environment, monkeypatch
):
    for number in range(3):
        start_run(f"job-{number}").end("killed")
    asked = []

    def away(store: Store, job_id: str) -> None:
        asked.append(job_id)
        raise ConnectionError

    monkeypatch.setattr(readback, "read_anew", away)
    assert recovery.lost(sealed_environment) == []
    assert len(asked) == 1


def test_a_sender_that_gives_up_lets_go(store, start_run):
    recorder = start_run(uri=UNREACHABLE)
    recorder.end("killed")
    sender = Sender(recorder.job_dir, store.uri)
    sender.close(0.0)
    lock = until(lambda: journal.hold_sending(recorder.job_dir))
    lock.release()


def test_whoever_cannot_begin_to_send_or_write_lets_go(store, start_run, monkeypatch):
    recorder = start_run()
    recorder.end("killed")
    file = recorder.job_dir / journal.FILE_NAME
    hidden = file.rename(file.with_name("hidden"))
    for _ in range(2):
        with pytest.raises(Exception, match="Expected the folder of a run"):
            Replay.of(recorder.job_dir, store.uri)
    hidden.rename(file)
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "_open", _refuse)
        with pytest.raises(PermissionError):
            journal.Journal.reopen(recorder.job_dir)
    journal.Journal.reopen(recorder.job_dir).close()


def _refuse(*_):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("place", ["x" * 300, 7])
def test_a_mark_that_names_no_folder_is_told_of(sealed_environment, place):
    mark({"job_dir": place})
    (found,) = recover(sealed_environment)
    assert found.result == "broken"
    assert "is damaged" in found.problem


def test_a_mark_that_names_a_folder_of_others_changes_nothing_there(sealed_environment, tmp_path):
    theirs = tmp_path / "theirs"
    (theirs / "artifacts" / ".part").mkdir(parents=True)
    (theirs / ".journal.jsonl.part").touch()
    mark({"job_dir": str(theirs)})
    before = sorted(theirs.rglob("*"))
    assert [found.result for found in recover(sealed_environment)] == ["gone"]
    assert sorted(theirs.rglob("*")) == before


def test_a_folder_that_cannot_be_searched_keeps_no_other_back(
    store, start_run, sealed_environment, monkeypatch
):
    for job_id in ("job-1", "job-2"):
        recorder = start_run(job_id, uri=UNREACHABLE)
        recorder.end("killed")
    begun = journal.is_begun

    def refused(job_dir: Path) -> bool:
        if job_dir.name == "job-1":
            raise PermissionError(13, "Permission denied", str(job_dir))
        return begun(job_dir)

    monkeypatch.setattr(journal, "is_begun", refused)
    found = recover(sealed_environment, to=store.uri)
    assert [one.result for one in found] == ["broken", "sent"]
    assert pending_runs.is_pending(sealed_environment, "job-1")


@pytest.mark.parametrize("where", ["outputs/.pending/pipe", "outputs/job-9/journal.jsonl"])
@pytest.mark.timeout(60)
def test_a_pipe_holds_nobody_up(sealed_environment, where):
    mark({"job_dir": "outputs/job-9"})
    Path("outputs/.pending/folder").mkdir()
    Path(where).parent.mkdir(exist_ok=True)
    os.mkfifo(where)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert len(recover(sealed_environment)) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_full_disk_leaves_nothing_in_the_cache(tmp_path):
    file = tmp_path / "cache" / "abc"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        artifacts._keep(bytes(5000), file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(file.parent.iterdir()) == []
    artifacts._keep(b"whole", file)
    assert [kept.read_bytes() for kept in file.parent.iterdir()] == [b"whole"]


def test_a_store_counts_as_adjusted_when_its_runs_are_marked(add_run, store, monkeypatch):
    job_id = "2026-01-01_00-00-00_abcdef"
    add_run(job_id)
    assert store.find_run(job_id).tags[JOB_ID_TAG] == job_id
    Path("outputs", job_id).mkdir(parents=True)
    store.client._tracking_client.store.engine.dispose()
    moved = Path("moved")
    moved.mkdir()
    for name in ("mlflow.db", "outputs"):
        Path(name).rename(moved / name)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(relocation.pending_runs, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            relocation.relocate(moved.absolute() / "mlflow.db")
    relocation.relocate(moved.absolute() / "mlflow.db")
    assert [found.job_id for found in pending_runs.pending(moved)] == [job_id]


def test_a_run_may_be_marked_by_many_at_once(sealed_environment):
    problems = []

    def add():
        try:
            for _ in range(50):
                pending_runs.add(sealed_environment, "job-1", sealed_environment)
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [path.name for path in Path("outputs/.pending").iterdir()] == ["job-1"]


def test_a_long_journal_is_read_once(store, start_run, monkeypatch):
    """Ten thousand epochs, folded anew after each, would take half a minute beside training."""
    recorder = start_run(uri=UNREACHABLE)
    recorder.end("killed")
    replay = Replay.of(recorder.job_dir, store.uri, wait_seconds=60)
    replay.advance()
    writer = journal.Journal.reopen(recorder.job_dir)
    monkeypatch.setattr("mnist_exp.tracking.sync.replay.fold", None)
    writer.append(Resumed(now()))
    for step in (1, 2):
        writer.append(Metrics(now(), {"train/loss": 1.0}, step))
        assert not replay.advance()
    writer.close()
    replay.close()
    assert store.recorded(replay.run_id, ["train/loss"]).keys() == {
        ("train/loss", 1),
        ("train/loss", 2),
    }
