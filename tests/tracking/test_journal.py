"""The journal survives what kills its writer."""

import errno
import json
import math
import os
import resource
import signal
from dataclasses import replace

import pytest

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events
from mnist_exp.tracking.journal.events import (
    KINDS,
    Artifact,
    Dataset,
    Description,
    End,
    Metrics,
    Model,
    Moved,
    Resumed,
    Start,
    Tags,
    decode,
    encode,
)
from mnist_exp.tracking.journal.lines import seal, unseal
from mnist_exp.tracking.journal.state import fold, state_of

START = Start(
    time=1,
    job_id="job-1",
    run_name="cnn-1",
    experiment="mnist",
    uri="sqlite:////nowhere/mlflow.db",
    params={"seed": "1"},
    tags={"model": "cnn"},
    description="Ä *text*\nin two lines",
    parent_job_id=None,
    config={"seed": 1, "hidden": [50, 50]},
)
EXAMPLES = [
    START,
    Metrics(2, {"train/loss": 0.25}, 3),
    Tags(2, {"mnist_exp.sweep": "s"}),
    Description(2, "# x"),
    Dataset(2, "mnist", "ab12", "/data", {"train": 5}),
    Artifact(2, "plots/a.png", "00ff"),
    Model(2, "model", ["keras==3"], "3", "tensorflow"),
    End(2, "FINISHED", "pruned"),
    Resumed(2),
    Moved(2, "sqlite:////elsewhere/mlflow.db"),
]


def new_journal(job_dir):
    return journal.Journal.create(job_dir, START, journal.hold(job_dir))


def written(job_dir):
    return [entry.event for entry in journal.read(job_dir)]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_of_strict_json(event):
    line = seal(encode(event), 7)
    assert line.count(b"\n") == 1
    told = json.loads(line, parse_constant=pytest.fail)
    assert {"event", "time"} <= told.keys()
    assert told["line"] == 7
    number, record = unseal(line)
    assert (number, decode(record)) == (7, event)


def test_every_kind_has_an_example():
    assert {type(event) for event in EXAMPLES} == set(KINDS.values())


def test_metrics_that_json_has_no_number_for_survive():
    values = {"a": math.nan, "b": math.inf, "c": -math.inf}
    again = decode(encode(Metrics(1, values, None))).values
    assert math.isnan(again["a"])
    assert (again["b"], again["c"]) == (math.inf, -math.inf)


@pytest.mark.parametrize("length", [1, 30, -26, -5, -2, -1])
def test_a_torn_line_is_ignored_and_cut_off_before_the_next(tmp_path, length):
    writer = new_journal(tmp_path)
    writer.append(EXAMPLES[1])
    writer.close()
    with (tmp_path / journal.FILE_NAME).open("ab") as file:
        file.write(seal(encode(EXAMPLES[2]), 3)[:length])
    assert written(tmp_path) == EXAMPLES[:2]
    writer = journal.Journal.reopen(tmp_path)
    writer.append(EXAMPLES[3])
    writer.close()
    assert written(tmp_path) == [*EXAMPLES[:2], EXAMPLES[3]]


def test_what_is_written_is_on_the_disk_at_once(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def spy(descriptor):
        sync(descriptor)
        synced.append(os.fstat(descriptor))

    monkeypatch.setattr(os, "fsync", spy)
    writer = new_journal(tmp_path)
    file = tmp_path / journal.FILE_NAME
    assert [found.st_ino for found in synced] == [file.stat().st_ino, tmp_path.stat().st_ino]
    for event in EXAMPLES[1:]:
        writer.append(event)
        assert os.path.samestat(synced[-1], file.stat())
        assert synced[-1].st_size == file.stat().st_size
    writer.close()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_amid_a_line_has_it_written_once(tmp_path, monkeypatch, times):
    writer = new_journal(tmp_path)

    def press(_):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", press)
        with pytest.raises(KeyboardInterrupt):
            writer.append(EXAMPLES[1])
    writer.append(EXAMPLES[2])
    writer.close()
    assert written(tmp_path) == EXAMPLES[:3]


def test_reading_on_gives_what_is_new(tmp_path):
    writer = new_journal(tmp_path)
    known = journal.read(tmp_path)
    writer.append(EXAMPLES[1])
    fresh = journal.read(tmp_path, after=known[-1])
    assert known + fresh == journal.read(tmp_path)
    writer.close()


def test_an_event_of_a_newer_mnist_exp_is_named(tmp_path):
    new_journal(tmp_path).close()
    with (tmp_path / journal.FILE_NAME).open("ab") as file:
        file.write(seal('{"event": "dance"}', 2))
    with pytest.raises(ExperimentError, match=r"an event in line 2 of .*dance.* A newer mnist_exp"):
        journal.read(tmp_path)


def test_a_folder_holds_one_journal(tmp_path):
    new_journal(tmp_path).close()
    with pytest.raises(RequestError, match="without a run"):
        new_journal(tmp_path)


def test_a_folder_without_a_journal_cannot_be_reopened(tmp_path):
    assert journal.read(tmp_path) == []
    with pytest.raises(RequestError, match="Expected the folder of a run"):
        journal.Journal.reopen(tmp_path)


def test_a_journal_is_live_exactly_while_its_process_lives(tmp_path, python):
    code = """
import sys, time
from pathlib import Path
from mnist_exp.tracking import journal
lock = journal.hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""
    new_journal(tmp_path).close()
    holder = python(code, str(tmp_path))
    assert holder.stdout.readline() == "held\n"
    assert journal.hold(tmp_path) is None
    with pytest.raises(RequestError, match="still alive"):
        journal.Journal.reopen(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    journal.Journal.reopen(tmp_path).close()


def test_on_a_full_disk_values_wait_in_memory(tmp_path):
    writer = new_journal(tmp_path)
    size = (tmp_path / journal.FILE_NAME).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for a part of the next line: what a full disk does to a write.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
    try:
        writer.append(EXAMPLES[1])
        writer.append(EXAMPLES[2])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.problem is not None
    assert (writer.problem.errno, writer.problem.strerror) == (
        errno.ENOSPC,
        os.strerror(errno.ENOSPC),
    )
    assert written(tmp_path) == [START]
    writer.append(EXAMPLES[3])
    assert writer.problem is None
    assert written(tmp_path) == EXAMPLES[:4]
    writer.close()


def test_a_journal_that_is_closed_stays_closed_and_closes_nothing_else(tmp_path):
    writer = new_journal(tmp_path)
    writer.close()
    with (tmp_path / "other").open("w") as other:  # it has the journal's descriptor now
        for _ in range(3):
            writer.close()
        other.write("kept")
    assert (tmp_path / "other").read_text() == "kept"


def test_a_run_starts_as_it_began_where_it_was_moved_to_last(tmp_path):
    writer = new_journal(tmp_path)
    writer.append(EXAMPLES[1])
    assert state_of(tmp_path).start == START
    for uri in ("sqlite:////first.db", "sqlite:////second.db", "sqlite:////third.db"):
        writer.append(Moved(2, uri))
    writer.append(EXAMPLES[2])
    writer.close()
    assert state_of(tmp_path).start == replace(START, uri="sqlite:////third.db")


def test_the_outcome_is_that_of_the_last_end():
    assert fold([START]).outcome is None
    ended = [START, End(2, "KILLED", "killed")]
    assert fold(ended).outcome == "killed"
    assert fold([*ended, Resumed(3)]).outcome is None
    assert fold([*ended, Resumed(3), End(4, "FINISHED", "finished")]).outcome == "finished"


def test_a_state_is_what_was_told_last_and_all_that_was_told_before():
    start = replace(START, tags={"a": "1", "b": "1"})
    told = [
        Tags(2, {"b": "2"}),
        Metrics(3, {"train/loss": 1.0, "val/accuracy": 0.5}, 1),
        Metrics(4, {"train/loss": 0.5, "val/accuracy": 0.4}, 2),
        Metrics(5, {"test/accuracy": 0.9}, None),
        Artifact(6, "a.txt", "00"),
        Artifact(7, "a.txt", "11"),
    ]
    state = fold([start, *told])
    assert state.time == 7
    assert (state.tags, state.told) == ({"a": "1", "b": "2"}, {"a": ["1"], "b": ["1", "2"]})
    assert state.epochs[1] == {"train/loss": 1.0, "val/accuracy": 0.5}
    assert state.metrics == {"train/loss": 0.5, "val/accuracy": 0.4, "test/accuracy": 0.9}
    assert state.final == {"test/accuracy": 0.9}
    assert state.artifacts == {"a.txt": "11"}
    assert start.tags == {"a": "1", "b": "1"}
    assert fold(told) is None
    assert fold([]) is None


def test_a_clock_that_is_set_back_does_not_turn_times_round(tmp_path):
    writer = journal.Journal.create(tmp_path, START, journal.hold(tmp_path))
    writer.append(Metrics(9, {"train/loss": 0.25}, 1))
    writer.append(Tags(5, {}))
    writer.close()
    writer = journal.Journal.reopen(tmp_path)
    writer.append(Resumed(6))
    writer.append(End(12, "FINISHED", "finished"))
    writer.close()
    assert [entry.event.time for entry in journal.read(tmp_path)] == [1, 9, 9, 9, 12]


def test_times_are_unix_milliseconds():
    assert len(str(events.now())) == 13


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", ""])
def test_an_artifact_outside_the_job_folder_is_refused(path):
    for event in (
        Artifact(1, path, "0"),
        Model(1, path, [], "3", "tensorflow"),
    ):
        with pytest.raises(ValueError, match="an artifact at"):
            decode(encode(event))
