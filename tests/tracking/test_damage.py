"""A journal is read as it was written, or its damage is named; what is whole of it is used."""

import random

import pytest
from invoke import mnist_exp
from journals import damaged, retell, spoil
from waiting import until

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal.events import encode
from mnist_exp.tracking.journal.pending_runs import pending
from mnist_exp.tracking.journal.state import salvaged, state_of
from mnist_exp.tracking.mlflow.store import Store
from mnist_exp.tracking.recorder import Recorder
from mnist_exp.tracking.sync.recovery import recover, waiting

CASES = 2000
EPOCHS = 10
OUTAGE = "http://127.0.0.1:9"


@pytest.fixture
def job_dir(start_run):
    """The folder of a run that was cut off after ten epochs, in an outage."""
    recorder = start_run(uri=OUTAGE)
    recorder.tags({"mnist_exp.data_sha256": "ab" * 32})
    for epoch in range(1, EPOCHS + 1):
        recorder.metrics({"train/loss": 1 / epoch, "val/accuracy": epoch / 10}, step=epoch)
    recorder.end("killed")
    return recorder.job_dir


@pytest.fixture
def file(job_dir):
    """Its journal."""
    return job_dir / journal.FILE_NAME


def told(entries):
    return {entry.line: encode(entry.event) for entry in entries}


def contents(job_dir):
    """Returns what is left of a journal; an error says that it is nothing."""
    try:
        return journal.contents(job_dir)
    except ExperimentError as error:
        return journal.Contents([], [str(error)], 0, 0)


def steps(store, key="train/loss"):
    (run,) = store.search()
    points = store.client.get_metric_history(run.run_id, key)
    return sorted(point.step for point in points)


def test_every_flipped_bit_and_every_cut_is_named_and_nothing_else_is_read(job_dir, file):
    whole, numbers = file.read_bytes(), random.Random(0)
    written = told(journal.read(job_dir))
    for _ in range(CASES):
        file.write_bytes(damaged(whole, numbers))
        found = contents(job_dir)
        assert found.damage
        assert told(found.entries).items() < written.items()


def test_a_journal_that_was_cut_off_at_its_end_is_read_up_to_there(job_dir, file):
    whole = file.read_bytes()
    entries = journal.read(job_dir)
    for end in range(entries[0].end, len(whole), 7):
        file.write_bytes(whole[:end])
        assert journal.read(job_dir) == [entry for entry in entries if entry.end <= end]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:4], *lines[5:]], "line 5 is damaged or missing"),
        (lambda lines: [*lines[:4], *lines[7:]], "lines 5 to 7 are damaged or missing"),
        (
            lambda lines: [*lines[:4], b"x" + lines[4], *lines[5:]],
            "line 5 is damaged or missing",
        ),
        (lambda lines: [*lines[:4], b"x\n", *lines[4:]], "what stands before line 5 is none of"),
        (lambda lines: [*lines[:4], lines[2], *lines[4:]], "what stands before line 5 is none of"),
        (lambda lines: [*lines[:-1], lines[-1][:-1] + b"x"], "line {last} is damaged or missing"),
        (lambda lines: [*lines[:-1], b"x\n"], "line {last} is damaged or missing"),
        (lambda lines: [*lines[:-1], bytes(99)], "line {last} is damaged or missing"),
        (lambda lines: lines[1:], "line 1 is damaged or missing"),
    ],
)
def test_damage_is_named_by_lines(job_dir, file, change, words):
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(change(lines)))
    with pytest.raises(ExperimentError) as error:
        state_of(job_dir)
    assert f"every line of {file} as it was written" in str(error.value)
    assert f"Received: {words.format(last=len(lines))}" in str(error.value)


@pytest.mark.parametrize("lines", [None, 1, 0])
def test_a_journal_without_checksums_is_not_read(job_dir, file, lines):
    old = [encode(entry.event) + "\n" for entry in journal.read(job_dir)]
    file.write_text("".join(old[:lines]))
    for read in (journal.read, salvaged, Recorder.resume):
        with pytest.raises(ExperimentError, match=r"Expected a checksum in each line .*none"):
            read(job_dir)


def test_what_is_written_behind_damage_is_read(job_dir, file):
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines)[:-1] + b"x")  # the end of the last line
    writer = journal.Journal.reopen(job_dir)
    event = journal.contents(job_dir).entries[-1].event
    writer.append(event)
    writer.close()
    found = journal.contents(job_dir)
    assert (found.entries[-1].event, found.entries[-1].line) == (event, len(lines) + 1)
    assert found.damage == [f"line {len(lines)} is damaged or missing"]


def test_what_is_whole_is_sent_and_the_rest_when_it_is_restored(
    store, job_dir, file, sealed_environment
):
    retell(job_dir, OUTAGE, store.uri)
    whole = file.read_bytes()
    line = spoil(job_dir, '"step": 4,')
    for _ in range(2):
        (recovered,) = recover(sealed_environment)
        assert recovered.result == "damaged"
        assert recovered.problem == f"of its journal, line {line} is damaged or missing"
        assert steps(store) == [1, 2, 3, *range(5, EPOCHS + 1)]
        assert waiting(sealed_environment) == 1
    file.write_bytes(whole)
    (recovered,) = recover(sealed_environment)
    assert (recovered.result, recovered.problem) == ("sent", "")
    assert steps(store) == list(range(1, EPOCHS + 1))
    assert list(pending(sealed_environment)) == []


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        (None, "sent as far as it is whole"),
        (OUTAGE, "waits: MLflow does not answer"),
    ],
)
def test_sync_says_what_is_damaged_and_what_to_do(store, job_dir, sealed_environment, uri, result):
    retell(job_dir, OUTAGE, uri or store.uri)
    line = spoil(job_dir, '"step": 4,')
    done = mnist_exp(sealed_environment, "sync")
    assert done.returncode == 1
    assert f"job-1  {result}" in done.stdout
    assert done.stdout.count(f"line {line} is damaged or missing") == 1
    assert "Received: 1 run whose record is damaged, as said above" in done.stderr
    assert "`mnist-exp resume FOLDER`" in done.stderr
    assert ("could not be sent yet" in done.stderr) == (uri == OUTAGE)


@pytest.mark.parametrize("lost", ['"event": "start"', '"event": "end"'])
def test_what_a_killed_process_was_writing_goes(job_dir, sealed_environment, lost):
    spoil(job_dir, lost)
    part = job_dir / "artifacts" / ".part" / "plots" / "half.png"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    recover(sealed_environment)
    assert not list(job_dir.rglob(".part"))


def test_a_run_whose_end_is_damaged_is_killed_with_a_reason(store, job_dir, sealed_environment):
    retell(job_dir, OUTAGE, store.uri)
    line = spoil(job_dir, '"event": "end"')
    (recovered,) = recover(sealed_environment)
    assert (recovered.result, recovered.killed) == ("damaged", True)
    (run,) = store.search()
    reason = f"its journal is damaged: line {line} is damaged or missing"
    assert (run.outcome, run.tags["mnist_exp.failure"]) == ("killed", reason)


def test_of_a_journal_without_its_first_line_nothing_is_used(store, job_dir, sealed_environment):
    spoil(job_dir, '"event": "start"')
    (recovered,) = recover(sealed_environment)
    assert recovered.result == "broken"
    assert "Received: line 1 is damaged or missing" in recovered.problem
    assert len(list(pending(sealed_environment))) == waiting(sealed_environment) == 1
    assert list(store.search()) == []
    with pytest.raises(ExperimentError, match="line 1 is damaged"):
        Recorder.resume(job_dir)
    (job_dir / journal.FILE_NAME).write_bytes(b"")
    (recovered,) = recover(sealed_environment)
    assert recovered.result == "broken"


def test_a_run_goes_on_with_what_is_whole_and_its_damaged_journal_is_kept(
    store, job_dir, file, sealed_environment, capfd
):
    retell(job_dir, OUTAGE, store.uri)
    line = spoil(job_dir, '"step": 4,')
    recover(sealed_environment)  # MLflow has the others
    spoiled = file.read_bytes()
    capfd.readouterr()
    recorder = Recorder.resume(job_dir)
    recorder.metrics({"train/loss": 1 / 4, "val/accuracy": 4 / 10}, step=4)
    assert recorder.end("finished")
    (kept,) = job_dir.glob("journal.damaged-*.jsonl")
    assert kept.read_bytes() == spoiled
    said = capfd.readouterr().err
    assert f"The journal {file} is damaged: line {line} is damaged or missing." in said
    assert said.strip().endswith(f"the damaged file is kept as {kept.name}.")
    assert recorder.damage in said
    assert steps(store) == list(range(1, EPOCHS + 1))
    assert len(state_of(job_dir).epochs) == EPOCHS
    (run,) = store.search()
    assert run.outcome == "finished"
    assert recover(sealed_environment) == []


def test_what_is_told_again_for_damage_that_mlflow_has_already_stays_one_point(store, start_run):
    recorder = start_run()
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.metrics({"model/parameters": 10.0})
    recorder.end("killed")
    spoil(recorder.job_dir, '"model/parameters"')
    again = Recorder.resume(recorder.job_dir)
    until(lambda: Store(store.uri, "mnist").find_run("job-1").status == "RUNNING")
    again.metrics({"model/parameters": 10.0})  # nothing that was sent before has this name
    assert again.end("finished")
    assert (steps(store), steps(store, "model/parameters")) == ([1], [0])


def test_a_journal_that_is_still_being_sent_is_not_mended(job_dir, file, monkeypatch):
    spoil(job_dir, '"step": 4,')
    spoiled = file.read_bytes()
    with journal.hold_sending(job_dir, wait_seconds=30), monkeypatch.context() as patch:
        patch.setattr(journal, "_SENDING_SECONDS", 0.0)
        with pytest.raises(RequestError, match="still sending"):
            Recorder.resume(job_dir)
    assert file.read_bytes() == spoiled
    Recorder.resume(job_dir).end("killed")
    assert state_of(job_dir).damage == []


def test_a_run_is_found_whose_mark_is_damaged(store, job_dir, sealed_environment):
    retell(job_dir, OUTAGE, store.uri)
    mark = sealed_environment / "outputs" / ".pending" / "job-1"
    whole, numbers = mark.read_bytes(), random.Random(0)
    elsewhere = job_dir.rename(sealed_environment / "elsewhere")
    for _ in range(100):
        mark.write_bytes(damaged(whole, numbers))
        (recovered,) = recover(sealed_environment)
        assert recovered.result == "broken"
        assert f"is damaged; move its folder to {job_dir}," in recovered.problem
        assert waiting(sealed_environment) == 1
    elsewhere.rename(job_dir)
    (recovered,) = recover(sealed_environment)
    assert (recovered.result, recovered.problem) == ("sent", "")
    assert steps(store) == list(range(1, EPOCHS + 1))
    assert list(pending(sealed_environment)) == []


def test_a_finished_run_is_left_as_it_is(store, start_run):
    recorder = start_run()
    recorder.metrics({"train/loss": 1.0}, step=1)
    recorder.end("finished")
    spoil(recorder.job_dir, '"step": 1,')
    before = (recorder.job_dir / journal.FILE_NAME).read_bytes()
    with pytest.raises(RequestError, match="finished"):
        Recorder.resume(recorder.job_dir)
    assert (recorder.job_dir / journal.FILE_NAME).read_bytes() == before
    assert not list(recorder.job_dir.glob("journal.damaged*"))
