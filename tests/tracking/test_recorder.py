"""What a run records is in MLflow when it ends, and on the disk until then."""

import errno
import json
import math
import resource
import shutil
from pathlib import Path

import pytest
from invoke import python
from journals import retell
from projects import artifact

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.journal.pending_runs import pending
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.names import DIGESTS, FAILURE_TAG, OUTCOME_TAG, RUN_ID
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync.replay import Replay
from mnist_exp.tracking.sync.thread import Sender

OUTAGE = "http://127.0.0.1:9"


def test_a_whole_run_arrives(store, start_run, sealed_environment, capfd):
    recorder = start_run()
    recorder.dataset(name="mnist", digest="ab" * 32, source="/data", sizes={"train": 4, "test": 2})
    for epoch in (1, 2):
        recorder.metrics({"train/loss": 1 / epoch, "val/accuracy": 0.9 * epoch / 2}, step=epoch)
    recorder.tags({"mnist_exp.weights_sha256": "00ff"})
    recorder.metrics({"test/accuracy": 0.5, "test/loss": math.nan})
    recorder.artifact("plots/curves.txt", lambda file: file.write_text("/\\"))
    recorder.describe(f"Reached **0.5**, in run {RUN_ID}.")
    assert recorder.end("finished") is True

    run = store.get(recorder.run_id)
    events = [entry.event for entry in journal.read(recorder.job_dir)]
    assert (run.name, run.status, run.outcome, run.job_id) == (
        "cnn-job-1",
        "FINISHED",
        "finished",
        "job-1",
    )
    assert (run.start_time, run.end_time) == (events[0].time, events[-1].time)
    assert run.params == {"seed": "1", "model.name": "cnn"}
    assert math.isnan(run.metrics.pop("test/loss"))
    assert run.metrics == {"train/loss": 0.5, "val/accuracy": 0.9, "test/accuracy": 0.5}
    assert run.tags["model"] == "cnn"
    assert run.tags["mnist_exp.weights_sha256"] == "00ff"
    assert run.tags["mlflow.note.content"] == f"Reached **0.5**, in run {run.run_id}."
    history = store.client.get_metric_history(run.run_id, "train/loss")
    assert [(m.step, m.timestamp) for m in history] == [(e.step, e.time) for e in events[2:4]]
    assert artifact(store, run.run_id, "plots/curves.txt").read_text() == "/\\"
    # Nothing stays behind but the journal.
    assert not (recorder.job_dir / "artifacts").exists()
    assert list(pending(sealed_environment)) == []
    assert capfd.readouterr() == ("", "")


def test_a_pruned_run_is_finished_and_a_failed_one_keeps_its_files(store, start_run):
    for outcome, status, kept in [
        ("pruned", "FINISHED", False),
        ("failed", "FAILED", True),
        ("killed", "KILLED", True),
    ]:
        recorder = start_run(outcome)
        recorder.artifact("log.txt", lambda file: file.write_text("x"))
        recorder.end(outcome)
        run = store.get(recorder.run_id)
        assert (run.status, run.outcome) == (status, outcome)
        assert (recorder.job_dir / "artifacts").exists() is kept
        assert not (recorder.job_dir / "artifacts" / ".part").exists()


def test_a_run_that_is_stopped_while_its_model_is_saved_leaves_no_part_of_it(start_run):
    class Stopped:
        def save(self, file):
            file.write_bytes(b"half")
            raise KeyboardInterrupt

    recorder = start_run()
    with pytest.raises(KeyboardInterrupt):
        recorder.model(Stopped(), requirements=[])
    recorder.end("killed")
    left = {path.name for path in (recorder.job_dir / "artifacts").glob("**/*")}
    assert not {name for name in left if "part" in name or "model" in name}


def test_the_start_holds_the_config_for_resume(store, start_run):
    recorder = start_run()
    recorder.end("killed")
    assert state_of(recorder.job_dir).start.config == {"seed": 1, "model": {"name": "cnn"}}


def test_a_resumed_run_goes_on_in_the_same_mlflow_run(store, start_run):
    first = start_run()
    for epoch in (1, 2):
        first.metrics({"train/loss": float(epoch)}, step=epoch)
    first.end("killed")
    again = Recorder.resume(first.job_dir)
    assert again.started == first.started
    for epoch in (2, 3):  # epoch 2 came after the last checkpoint
        again.metrics({"train/loss": float(epoch)}, step=epoch)
    assert again.end("finished")
    assert again.run_id == first.run_id
    (run,) = store.search()
    assert (run.status, run.outcome, run.metrics) == ("FINISHED", "finished", {"train/loss": 3.0})
    steps = [m.step for m in store.client.get_metric_history(run.run_id, "train/loss")]
    assert steps == [1, 2, 3]


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_finished_run_is_not_resumed(store, start_run):
    recorder = start_run()
    recorder.end("finished")
    with pytest.raises(RequestError, match="which finished"):
        Recorder.resume(recorder.job_dir)


def test_a_run_that_cannot_go_on_is_let_go(store, start_run, monkeypatch):
    recorder = start_run()
    recorder.end("killed")

    with monkeypatch.context() as patch:
        patch.setattr("mnist_exp.tracking.journal.pending_runs.add", _full)
        with pytest.raises(OSError, match="No space"):
            Recorder.resume(recorder.job_dir)
    Recorder.resume(recorder.job_dir).end("killed")


def test_a_job_folder_serves_one_run(store, start_run):
    recorder = start_run()
    with pytest.raises(RequestError, match="another run is at work"):
        start_run()
    recorder.end("killed")
    with pytest.raises(RequestError, match="mnist-exp resume"):
        start_run()


def test_a_store_out_of_reach_stops_nothing(start_run, sealed_environment, capfd):
    recorder = start_run(uri=OUTAGE)
    recorder.metrics({"train/loss": 1.0}, step=1)
    assert recorder.end("finished") is False
    assert recorder.run_id is None
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "mnist-exp sync" in error
    assert OUTAGE in error
    assert [mark.job_id for mark in pending(sealed_environment)] == ["job-1"]


def test_an_artifact_appears_whole_or_not_at_all(store, start_run):
    recorder = start_run()

    def fail(file: Path) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ExperimentError, match=r"plots/a.png.*No space left"):
        recorder.artifact("plots/a.png", fail)
    assert not list(recorder.job_dir.rglob("a.png"))
    recorder.end("failed")


@pytest.mark.parametrize("written_again", [True, False])
def test_only_what_was_journalled_is_sent(store, start_run, capfd, written_again):
    recorder = start_run(uri=OUTAGE)
    recorder.artifact("log.txt", lambda file: file.write_text("true"))
    recorder.end("killed")
    (recorder.job_dir / "artifacts" / "log.txt").write_text("false")
    retell(recorder.job_dir, OUTAGE, store.uri)
    recorder = Recorder.resume(recorder.job_dir)
    if written_again:
        recorder.artifact("log.txt", lambda file: file.write_text("true again"))
    capfd.readouterr()
    assert recorder.end("finished")
    paths = [file.path for file in store.client.list_artifacts(recorder.run_id)]
    assert paths == ["log.txt", DIGESTS] if written_again else [DIGESTS]
    assert ("was altered" in capfd.readouterr().err) is not written_again
    assert (recorder.job_dir / "artifacts").exists() is not written_again


def begin(job_dir: Path, store: Store) -> journal.Journal:
    start = events.Start(
        time=1,
        job_id="job-1",
        run_name="cnn-1",
        experiment="mnist",
        uri=store.uri,
        params={},
        tags={},
        description="",
        parent_job_id=None,
        config={},
    )
    return journal.Journal.create(job_dir, start, journal.hold(job_dir))


def test_an_epoch_is_one_batch(store, sealed_environment, monkeypatch):
    writer = begin(sealed_environment, store)
    replay = Replay.of(sealed_environment, store.uri)
    replay.advance()
    requests = []
    monkeypatch.setattr(
        replay._store.client, "log_batch", lambda run_id, **sent: requests.append(sent)
    )
    for epoch in (1, 2, 3):
        values = {"train/loss": 1.0, "train/accuracy": 0.5, "val/accuracy": 0.5}
        writer.append(events.Metrics(epoch, values, epoch))
        replay.advance()
    replay.close()
    writer.close()
    assert [list(request) for request in requests] == [["metrics"]] * 3
    assert [len(request["metrics"]) for request in requests] == [3] * 3


def test_a_sender_that_ends_while_it_is_asked_has_sent_everything(
    store, sealed_environment, monkeypatch
):
    writer = begin(sealed_environment, store)
    writer.append(events.End(2, "FINISHED", "finished"))
    writer.close()
    sender = Sender(sealed_environment, store.uri)

    def late(seconds):
        """Says no, as it was when it was asked."""
        sender._thread.join()
        return False

    monkeypatch.setattr(sender._done, "wait", late)
    assert sender.close(60)
    assert sender.problem == ""
    assert store.get(sender.run_id).status == "FINISHED"


def test_a_value_that_mlflow_refuses_keeps_nothing_else_back(store, start_run):
    recorder = start_run(uri=OUTAGE)  # so that all is sent at once, below
    recorder.metrics({"a name with a ?": 1.0}, step=1)
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.tags({"model": "cnn"})
    assert not recorder.end("finished")
    replay = Replay.of(recorder.job_dir, store.uri, wait_seconds=30)
    assert replay.advance()
    replay.close()
    run = store.get(replay.run_id)
    assert (run.status, run.metrics) == ("FINISHED", {"train/loss": 1.0})
    assert len(replay.refused) == 1


def test_a_run_deleted_in_mlflow_stays_deleted(store, start_run, capfd):
    recorder = start_run()
    recorder.end("killed")
    store.client.delete_run(recorder.run_id)
    recorder = Recorder.resume(recorder.job_dir)
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.end("finished")
    assert list(store.search()) == []
    assert "was deleted in MLflow" in capfd.readouterr().err


def test_a_full_disk_is_reported_and_what_fits_later_is_kept(store, start_run, capfd):
    recorder = start_run()
    size = (recorder.job_dir / journal.FILE_NAME).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        recorder.metrics({"train/loss": 1.0}, step=1)
        recorder.metrics({"train/loss": 0.5}, step=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    recorder.metrics({"train/loss": 0.25}, step=3)
    assert recorder.end("finished")
    history = store.client.get_metric_history(recorder.run_id, "train/loss")
    assert [m.value for m in history] == [1.0, 0.5, 0.25]
    assert capfd.readouterr().err.count("cannot be written") == 1


@pytest.mark.parametrize("outcome", ["finished", "pruned", "killed"])
def test_a_disk_without_room_for_the_digests_finishes_no_run(
    store, start_run, sealed_environment, monkeypatch, outcome
):
    recorder = start_run()
    with monkeypatch.context() as full:
        full.setattr("mnist_exp.tracking.journal.staging.stage", _full)
        assert recorder.end(outcome)
    assert ("No space left" in recorder.incomplete) is (outcome != "killed")
    ended = store.client.get_run(recorder.run_id)
    assert ended.info.status == ("KILLED" if outcome == "killed" else "FAILED")
    assert (DIGESTS in ended.data.tags.get(FAILURE_TAG, "")) is (outcome != "killed")
    assert list(pending(sealed_environment)) == []

    assert Recorder.resume(recorder.job_dir).end(outcome)
    assert [file.path for file in store.client.list_artifacts(recorder.run_id)] == [DIGESTS]
    assert store.client.get_run(recorder.run_id).data.tags[OUTCOME_TAG] == outcome


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_folder_that_is_gone_ends_the_run_in_words(store, start_run, capfd, how):
    recorder = start_run()
    folder = recorder.job_dir
    recorder.metrics({"train/loss": 1.0}, step=1)
    folder.rename(folder.with_name("elsewhere"))
    if how == "deleted":
        shutil.rmtree(folder.with_name("elsewhere"))
    if how == "replaced":
        shutil.copytree(folder.with_name("elsewhere"), folder)
    said = "Expected the job folder .* to stay where it is .* was deleted or moved"
    for step in (2, 3):
        with pytest.raises(ExperimentError, match=said):
            recorder.metrics({"train/loss": 0.5}, step=step)
    with pytest.raises(ExperimentError, match=said):
        recorder.artifact("log.txt", lambda file: file.write_text("log"))
    with pytest.raises(ExperimentError, match=said):
        recorder.end("failed")
    assert folder.exists() == (how == "replaced")


def test_importing_the_package_loads_no_mlflow():
    code = """
import json, sys
from mnist_exp.tracking import recorder
from mnist_exp.tracking.read import evidence, runs
print(json.dumps(sorted(sys.modules)))
"""
    loaded = json.loads(python(code, fresh=True, check=True).stdout)
    assert not {"mlflow", "keras", "tensorflow", "sqlalchemy"} & set(loaded)
