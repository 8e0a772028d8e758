"""A comparison as a terminal, a paper and a spreadsheet see it."""

import csv
import io

import pytest
from made_runs import predicted, record, sweep
from rich.console import Console

from mnist_exp.commands.compare import table
from mnist_exp.core.text import p_in_words, p_value


def shown(comparison, width: int = 200) -> str:
    text = io.StringIO()
    table.show(comparison, Console(file=text, width=width))
    return text.getvalue()


def test_numbers_are_means_over_seeds_with_their_intervals(three_by_five):
    best, *others = table.cells(three_by_five)
    row = dict(zip(table.header(three_by_five), best, strict=True))
    assert row["#"] == "1"
    assert row["model"] == "cnn"
    assert row["seeds"] == "5"
    # 97.0, 96.9, 96.8, 96.7, 96.6 %: deviation 0.158, t of 4 degrees 2.776.
    assert row["val % (95 %)"] == "96.80 (96.60-97.00)"
    assert row["verdict"] == "best on validation"
    assert [line[-1] for line in others] == ["worse on test", "worse on test"]


def test_a_single_run_has_the_interval_of_its_images(compared):
    run = record("a", metrics={"val/accuracy": 0.81})
    [row] = compared([run], {"a": predicted({0: 1})}).rows
    assert table.accuracy(row.validation) == "81.00 (72.22-87.49)"
    assert table.accuracy(row.test) == "99.50 (97.22-99.91)"


def test_without_validation_nothing_is_the_best(compared):
    runs = [record("a", **{"training.epochs": "1"}), record("b", **{"training.epochs": "2"})]
    comparison = compared(runs, {"a": predicted({}), "b": predicted({0: 1})})
    assert [row.place for row in comparison.rows] == [None, None]
    assert "none is the best" in comparison.notes[0]
    assert table.cells(comparison)[0][-1] == "the first"


def test_test_accuracy_chooses_nothing(compared):
    runs = [
        record("a", metrics={"chosen/val_accuracy": 0.9}, **{"training.epochs": "1"}),
        record("b", metrics={"chosen/val_accuracy": 0.8}, **{"training.epochs": "2"}),
    ]
    predictions = {"a": predicted(dict.fromkeys(range(9), 5)), "b": predicted({})}
    rows = compared(runs, predictions).rows
    assert [row.group.runs[0].run_id for row in rows] == ["a", "b"]
    assert "test accuracy is shown and chooses nothing" in compared(runs, predictions).notes[0]


def test_the_best_of_several_is_said_to_be_flattered_by_validation(compared, three_by_five):
    assert "picked as the best of 3 on validation, which flatters it" in three_by_five.notes[0]
    alone = compared(*sweep({"cnn": 0.97}))
    assert "picked" not in alone.notes[0]


def test_notes_say_what_tests_speak_of_and_how_often_they_may_be_made(compared, three_by_five):
    assert "tells of these networks and these images, not of the configs" in three_by_five.notes[0]
    looks = three_by_five.notes[1]
    assert (
        "2 looks in all (--looks), each on new seeds alone (the next with --from-seed 5)" in looks
    )
    once = compared(*sweep({"cnn": 0.97, "mlp": 0.94}), looks=1, last=True)
    assert "p of groups is for this look alone" in once.notes[1]
    second = compared(*sweep({"cnn": 0.97, "mlp": 0.97}), looks=2, last=True)
    assert "this is the last of 2 (--looks)" in second.notes[1]
    assert second.rows[1].finding.words == "not distinguishable"
    singles = compared(*sweep({"cnn": 0.97, "mlp": 0.94}, seeds=1))
    assert len(singles.notes) == 1


def test_all_of_few_images_do_not_beat_nearly_all_of_many(compared):
    runs = [
        record("few", metrics={"val/accuracy": 1.0}, **{"data.validation_images": "100"}),
        record("many", metrics={"val/accuracy": 0.99}, **{"data.validation_images": "5000"}),
    ]
    rows = compared(runs, {"few": predicted({}), "many": predicted({})}).rows
    assert [row.group.runs[0].run_id for row in rows] == ["many", "few"]  # as `best` chooses


def test_of_a_sweep_a_lucky_seed_alone_is_not_the_best(compared):
    """As the sweep's own ranking has it; of runs that anybody chose, what is best is."""
    runs, predictions = sweep({"cnn": 0.97, "mlp": 0.94, "tiny": 0.99}, seeds=2)
    del runs[-1]
    swept = compared(runs, predictions, swept=True)
    assert [row.group.options["model"] for row in swept.rows] == ["cnn", "mlp", "tiny"]
    assert [row.place for row in swept.rows] == [1, 2, 3]
    assert "with those of fewer seeds than most behind the others" in swept.notes[0]
    assert swept.rows[1].finding.method == "paired t"
    other = compared(runs, predictions)
    assert [row.group.options["model"] for row in other.rows] == ["tiny", "cnn", "mlp"]
    assert "fewer seeds" not in other.notes[0]


def test_of_equals_it_is_told_which_stands_first(compared):
    runs, predictions = sweep({"cnn": 0.97, "mlp": 0.97}, seeds=1)
    newest = "2 are equally good, of which the one with the newest run stands first."
    assert newest in compared(runs, predictions).notes[0]
    named = "2 are equally good, of which the one that was named first stands first."
    assert named in compared(runs, predictions, named=True).notes[0]


@pytest.mark.parametrize("width", [200, 120, 80])
def test_the_table_fits_its_terminal(three_by_five, width):
    lines = shown(three_by_five, width).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "best on validation" in text or "Against the first:" in text
    assert text.count("worse on test") == 2


def test_a_narrow_table_has_differences_and_verdicts_below(compared):
    keys = {"optimizer.learning_rate": "0.0001", "training.epochs": "1", "training.batch_size": "8"}
    runs = [record("a"), record("b", **keys)]
    comparison = compared(runs, {"a": predicted({}), "b": predicted({0: 1})})
    narrow = shown(comparison, 60)
    assert "\nConfigs:\n     run-a: " in narrow
    assert "learning_rate=0.0001 epochs=1 batch_size=8" in " ".join(narrow.split())
    below = narrow.partition("Configs:")[2].partition("No run")[0].splitlines()
    assert all(line.startswith(" ") for line in below if line and not line.endswith(":"))
    assert "Configs:" not in shown(comparison, 200)


def test_names_of_runs_break_before_numbers_are_cut(compared):
    comparison = compared(*sweep({"a_model_of_a_long_name": 0.97, "mlp": 0.94}))
    text = shown(comparison, 70)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for row in comparison.rows:
        assert table.accuracy(row.test) in text


def test_one_config_is_tested_against_nothing(compared, three_by_five):
    alone = compared(*sweep({"cnn": 0.97}))
    assert alone.notes[0].endswith("images (Wilson).")
    assert "tested against the first" in three_by_five.notes[0]


def test_a_long_table_shows_its_beginning(compared):
    runs, predictions = sweep({f"m{n}": 0.9 for n in range(30)}, seeds=1)
    text = shown(compared(runs, predictions))
    assert "... and 10 more configs; --csv has all of them." in text


def test_csv_has_every_digit_and_every_key(three_by_five):
    rows = list(csv.DictReader(io.StringIO(table.csv(three_by_five))))
    assert [row["model.name"] for row in rows] == ["cnn", "mlp", "seed_mlp"]
    assert float(rows[0]["val_accuracy"]) == pytest.approx(0.968)
    assert rows[0]["run_ids"].split() == [f"cnn-{seed}" for seed in range(5)]
    assert rows[0]["p"] == ""
    assert 0 < float(rows[1]["p"]) <= float(rows[1]["p_holm"]) < 0.05
    assert float(rows[1]["test_difference"]) == pytest.approx(-0.03)


def test_markdown_and_terminal_show_hostile_text_as_text(compared):
    run = record("a", name="x | <b>\x1b[2J", metrics={"val/accuracy": 0.9})
    comparison = compared([run], {"a": predicted({})}, left_out=["Left out: `rm`"])
    assert "x \\| \\<b\\>\\\\x1b\\[2J" in table.markdown(comparison)
    assert "Left out: \\`rm\\`" in table.markdown(comparison)
    assert "\x1b" not in shown(comparison)


@pytest.mark.parametrize(
    ("p", "text"),
    [(1, "p = 1.00"), (0.0123, "p = 0.01"), (0.00123, "p = 0.0012"), (0, "p < 0.0001")],
)
def test_p_as_papers_print_it(p, text):
    assert p_in_words(p) == text
    assert p_value(p) == text.removeprefix("p ").replace("= ", "").replace("< ", "<")


def test_verdicts_below_a_narrow_table_have_their_p(three_by_five):
    text = shown(three_by_five, 80)
    assert "worse on test (p < 0.0001)" in text
