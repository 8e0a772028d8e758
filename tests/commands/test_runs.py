"""The table of runs: what it says, and that it reads well at 80 columns."""

import io
from datetime import UTC, datetime, timedelta

from golden_files import GOLDEN, runs_table
from rich.console import Console

from mnist_exp.commands import runs
from mnist_exp.tracking.read.runs import SELECTORS, run_names
from mnist_exp.tracking.records import RunRecord

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def record(seconds_ago, **fields):
    start = int((NOW - timedelta(seconds=seconds_ago)).timestamp() * 1000)
    plain = {"params": {}, "metrics": {}, "tags": {}, "status": "RUNNING", "name": "a-b"}
    return RunRecord(
        run_id="1",
        deleted=False,
        start_time=start,
        end_time=None,
        artifact_uri="",
        **{**plain, **fields},
    )


def test_table_is_the_golden_one():
    assert runs_table() == (GOLDEN / "runs.txt").read_text()


def test_table_fits_80_columns():
    assert max(map(len, runs_table().splitlines())) <= 80


def test_run_that_has_measured_nothing_is_listed():
    [row] = runs.rows([record(0)], NOW)
    assert row == ("a-b", "running", "", "", "", "", "", "0 s")


def test_a_name_commands_no_terminal():
    [row] = runs.rows([record(0, name="cnn\x1b[2J", params={"data.name": "a\x07"})], NOW)
    assert (row.name, row.data) == (r"cnn\x1b[2J", r"a\x07")


def test_ages_are_in_the_largest_unit():
    records = [record(seconds) for seconds in (59, 60, 3599, 3600, 86_399, 86_400 * 30)]
    ages = [row.age for row in runs.rows(records, NOW)]
    assert ages == ["59 s", "1 min", "59 min", "1 h", "23 h", "30 d"]


def test_clock_that_went_back_gives_no_negative_age():
    assert runs.rows([record(-5)], NOW)[0].age == "0 s"


def test_narrow_terminal_keeps_every_run_on_a_line():
    text = io.StringIO()
    console = Console(file=text, width=40)
    console.print(runs.table(runs.rows([record(0), record(1)], NOW)))
    assert len(text.getvalue().splitlines()) == 3


def test_data_are_told_where_they_differ():
    records = {name: record(0, params={"data.name": name}) for name in ("mnist", "digits", "")}

    def titles(*names, width=80):
        table = runs.table(runs.rows([records[name] for name in names], NOW), width)
        return [column.header for column in table.columns]

    assert "data" not in titles("mnist", "mnist", "")
    assert titles("mnist", "digits") == list(runs.TITLES)


def test_a_narrow_terminal_has_fewer_columns_and_whole_names():
    text = io.StringIO()
    metrics = {"chosen/val_accuracy": 0.991, "test/accuracy": 0.99, "time/fit_seconds": 1234.5}
    records = [record(seconds, name="deep_cnn-abcdef", metrics=metrics) for seconds in (0, 1)]
    shown = runs.table(runs.rows(records, NOW), 40)
    Console(file=text, width=40).print(shown)
    header, first, _, *note = text.getvalue().splitlines()
    assert "fit s" not in header
    assert first.split()[0] == "deep_cnn-abcdef"
    assert "99.00" in first
    assert "No room for fit s" in note[0]


def test_a_long_name_takes_lines_and_no_column():
    text = io.StringIO()
    metrics = {"chosen/val_accuracy": 0.991, "test/accuracy": 0.99, "time/fit_seconds": 1234.5}
    names = ("baseline with 60,000 images, no validation, seed 7", "\u6570\u5b57" * 20, "cnn-a")
    rows = runs.rows([record(0, name=name, metrics=metrics) for name in names], NOW)
    Console(file=text, width=80).print(runs.table(rows, 80))
    header, *lines = text.getvalue().splitlines()
    assert {"outcome", "model", "val", "fit", "age"} <= set(header.split())
    assert lines[-1].split() == ["cnn-a", "running", "99.10", "99.00", "1234.5", "0", "s"]
    assert "seed 7" in " ".join(lines)


def test_names_of_an_empty_store_are_the_words():
    assert run_names() == list(SELECTORS)
