"""Journals of a project that was copied: as damage leaves them, and as malice does."""

import json
from dataclasses import asdict

from fuzzing import TEXTS, VALUES, altered, cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.tracking import journal
from mnist_exp.tracking.journal import events, lines, pending_runs
from mnist_exp.tracking.journal.state import salvaged, state_of
from mnist_exp.tracking.mlflow.location import of_record
from mnist_exp.tracking.sync.replay import run_id_of

START = events.Start(
    1, "job-1", "cnn-1", "mnist", "sqlite:///../mlflow.db", {"seed": "1"}, {"model": "cnn"},
    "A net.", None, {"seed": 1},
)  # fmt: skip
EVENTS = (
    START,
    events.Tags(2, {"a": "b"}),
    events.Metrics(3, {"loss": float("nan"), "accuracy": 0.5}, 1),
    events.Dataset(4, "mnist", "00ff", "file:///mnist", {"train": 10}),
    events.Artifact(5, "plots/a.png", "00" * 32),
    events.Model(6, "model", ["keras==3"], "3", "tensorflow"),
    events.Description(7, "A *net*."),
    events.Moved(8, "http://127.0.0.1:9"),
    events.End(9, "FINISHED", "finished"),
    events.Resumed(10),
)
TOLD = [json.loads(events.encode(event)) for event in EVENTS]


def sealed(records) -> bytes:
    texts = [json.dumps(record) for record in records if isinstance(record, dict) and record]
    return b"".join(map(lines.seal, texts, range(1, len(texts) + 1)))


WHOLE = sealed(TOLD)


def fitting(text):
    """Tells whether what a journal said can be said again: it was of the right types."""
    return events.decode(events.encode(text)) is not None


@cases(12_000)
@given(
    st.binary(max_size=300)
    | mutated(WHOLE)
    | altered(TOLD).map(sealed)
    | st.lists(st.dictionaries(TEXTS, VALUES)).map(sealed)
)
@example(WHOLE)
@example(sealed([TOLD[0], {"event": "tags", "time": 2, "values": ["a"]}]))
@example(sealed([TOLD[0] | {"params": 1, "uri": None, "time": "now"}]))
@example(sealed([TOLD[0], {"event": [], "time": 2}]))
def test_any_bytes(sealed_environment, content):
    (sealed_environment / journal.FILE_NAME).write_bytes(content)
    with watched(sealed_environment, ExperimentError, RequestError):
        state = salvaged(sealed_environment)
        assert all(fitting(entry.event) for entry in journal.contents(sealed_environment).entries)
        state.tags, state.metrics  # noqa: B018
        json.dumps(asdict(state.start))
        of_record(state.start.uri, sealed_environment)
        state_of(sealed_environment)


@cases(2_000)
@given(
    st.binary(max_size=100)
    | (VALUES | altered({"job_dir": "outputs/job-1"})).map(
        lambda mark: lines.seal(json.dumps(mark), 1)
    )
)
@example(lines.seal('{"job_dir": ' + "[" * 100_000 + "]", 1))
@example(lines.seal(json.dumps({"job_dir": "x" * 300}), 1))
def test_marks_of_runs_that_wait(sealed_environment, content):
    marks = sealed_environment / "outputs" / ".pending"
    marks.mkdir(parents=True, exist_ok=True)
    (marks / "job-1").write_bytes(content)
    with watched(sealed_environment):
        for marker in pending_runs.pending(sealed_environment):
            marker.job_dir.is_dir()


@cases(2_000)
@given(
    st.binary(max_size=100)
    | (VALUES | altered({"offset": 1, "run_id": "1"})).map(lambda sent: json.dumps(sent).encode())
)
@example(b'{"offset": Infinity, "run_id": "1"}')
@example(b"[" * 100_000)
def test_how_far_a_journal_was_sent(sealed_environment, content):
    (sealed_environment / journal.SENT_NAME).write_bytes(content)
    with watched(sealed_environment):
        assert isinstance(run_id_of(sealed_environment), str | None)
