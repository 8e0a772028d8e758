"""What a sweep's texts say, and that they read well at 80 columns."""

import csv
import io

from golden_files import GOLDEN
from invoke import python
from sweep_results import FIXED, job, markdown, mixed, over_seeds, shown

from mnist_exp.sweeps.results import report

QUIET_IMPORT = """
import sys
import mnist_exp.sweeps.results.report
slow = {"tensorflow", "keras", "mlflow", "optuna", "matplotlib", "scipy"}
sys.exit(bool(slow & set(sys.modules)))
"""


def test_markdown_is_the_golden_one():
    assert markdown() == (GOLDEN / "sweep.md").read_text()


def test_terminal_shows_the_golden_text():
    assert shown(over_seeds()) == (GOLDEN / "sweep.txt").read_text()


def test_one_config_was_picked_of_none():
    assert "picked as the best of 24" in report.markdown(mixed(24), [])
    assert "picked" not in report.markdown([job(0, ["a=1"], 0.9)], [])


def test_ties_and_configs_of_fewer_seeds_are_told():
    tie = report.markdown([job(0, ["a=1"], 0.9), job(1, ["a=2"], 0.9), job(2, ["a=3"], 0.8)], [])
    assert "2 are equally good, of which the one with the first job stands first." in tie
    fewer = [job(0, ["a=1"], 0.9), job(1, ["a=2"], 0.8), job(2, ["a=2"], 0.8, seed=1)]
    assert "Those with fewer seeds than most stand behind" in report.markdown(fewer, [])
    assert "fewer seeds" not in tie


def test_no_cell_of_the_csv_is_a_formula():
    results = [job(0, ["a=-0.5", "b=@SUM(1)"], 0.9, run_name="=HYPERLINK(1)")]
    [line] = csv.DictReader(io.StringIO(report.csv(results)))
    assert (line["a"], line["b"], line["run_name"]) == ("-0.5", "'@SUM(1)", "'=HYPERLINK(1)")


def test_terminal_of_80_columns_is_not_overrun():
    command = "mnist-exp train"
    for results in (mixed(24), over_seeds(), [job(0, [], 0.9)]):
        lines = [line for line in shown(results).splitlines() if command not in line]
        assert max(map(len, lines)) <= 80


def test_keys_have_columns_where_there_is_room():
    results = mixed(24)
    assert shown(results).split()[:2] == ["#", "config"]
    head, *_ = shown(results, width=110).splitlines()
    assert head.split()[1:5] == ["model", "learning_rate", "batch_size", "dropout"]


def test_long_rankings_are_cut_on_a_terminal_alone():
    results = mixed(24)
    text = shown(results, width=200)
    assert text.splitlines()[20].startswith("20 ")
    assert "... and 4 more configs, in the sweep's results.csv" in text
    assert report.markdown(results, []).count("| 23 |") == 2  # which are equally good
    assert len(report.csv(results).splitlines()) == 25


def test_many_failures_are_cut_on_a_terminal_alone():
    results = [job(n, [f"a={n}"], outcome="failed", reason="x") for n in range(23)]
    assert "23 jobs failed" in shown(results)
    assert "... and 3 more failures" in shown(results)
    assert "a=22" in report.markdown(results, [])


def test_the_command_is_on_one_line():
    line = shown(mixed(24), width=40).splitlines()[-1]
    assert line.startswith("  mnist-exp train experiment=fast training.epochs=3 model=")
    assert line.endswith(" seed=0")


def test_brackets_are_shown_as_they_are():
    assert "[bold]" in shown([job(0, ["a=[bold]"], 0.9), job(1, ["a=[/]"], 0.8)])


def test_keys_that_end_alike_are_written_in_full():
    results = [job(n, [f"model.name={n}", f"data.name={n}"], 0.9) for n in range(2)]
    assert shown(results).split()[1:3] == ["model.name", "data.name"]


def test_nothing_is_said_of_nothing():
    assert shown([]) == "No job has finished.\n"
    assert report.markdown([], []) == "No job has finished.\n"
    assert report.pictures([]) == {}
    assert len(report.csv([]).splitlines()) == 1


def test_markdown_shows_reasons_as_they_are():
    reason = "<b> __init__() got *args | `x`\nand more"
    text = report.markdown([job(0, ["a=1"], outcome="failed", reason=reason)], [])
    assert r"\<b\> \_\_init\_\_() got \*args \| \`x\` and more" in text


def test_csv_has_every_job_and_every_digit():
    lines = list(csv.DictReader(io.StringIO(report.csv(over_seeds()[::-1]))))
    assert list(lines[0]) == [
        "job", "outcome", "run_id", "run_name", "trial", "model", "optimizer.learning_rate",
        "seed", "objective", "val/accuracy", "test/accuracy", "seconds", "reason",
    ]  # fmt: skip
    assert [line["job"] for line in lines] == [str(n) for n in range(14)]
    first = over_seeds()[0]
    assert float(lines[0]["objective"]) == first.metrics["chosen/val_accuracy"]
    assert float(lines[0]["val/accuracy"]) == first.metrics["val/accuracy"]
    assert lines[0] | {"trial": "", "model": "mlp", "seconds": "10.0"} == lines[0]
    assert (lines[12]["outcome"], lines[12]["objective"]) == ("failed", "")
    assert lines[12]["reason"].startswith("Expected a finite loss.")


def test_csv_completes_keys_from_the_whole_config():
    text = report.csv([job(0, ["model.dropout=0.5"], 0.9), job(1, ["a=1"], 0.8)])
    assert [line["model.dropout"] for line in csv.DictReader(io.StringIO(text))] == ["0.5", "0.25"]


def test_a_winner_of_several_seeds_has_its_median_one():
    heading = "The winner again, with the median of its 3 seeds"
    results = [job(seed, ["a=1"], 0.9 + seed / 100, seed=seed) for seed in range(3)]
    assert f"{heading}:\n  mnist-exp train a=1 seed=1\n" in shown(results, [])
    assert f"## {heading}\n" in report.markdown(results, [])
    assert "The winner again:\n" in shown(results[:1], [])


def test_a_config_that_sets_nothing_is_called_what_it_is():
    results = [job(seed, [], 0.9, seed=seed) for seed in range(3)]
    assert "1  the config as given      3" in shown(results)


def test_show_prints_to_stdout(capsys):
    report.show(over_seeds(), FIXED)
    assert "median of its 3 seeds:\n  mnist-exp train" in capsys.readouterr().out


def test_importing_the_report_is_quick():
    python(QUIET_IMPORT, fresh=True, check=True)
