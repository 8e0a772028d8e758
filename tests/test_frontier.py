"""`scripts/benchmark` without a subject: the table of recipes and peers, and its picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
import frontier_picture
import frontier_results
import frontier_table
from frontier import SCRIPTS, compete
from frontier_results import Failure, Frontier, Result, Trial

from mnist_exp.core import numerics


def trial(seed=0, fit_seconds=10.0, test_errors=80, **others):
    return Trial(
        seed=seed,
        command_seconds=fit_seconds + 5,
        peak_mb=1000.0,
        fit_seconds=fit_seconds,
        test_errors=test_errors,
        test_images=10_000,
        test_loss=0.02,
        parameters=1000,
        epochs=3,
        train_images=55_000,
        **others,
    )


def result(name="fast", *trials, ours=True, title=None):
    return Result(name, title or name, ours, "float32", 1_000_000, list(trials))


def frontier(*results, quick=""):
    return Frontier(
        machine="2 cores, a machine",
        versions={},
        quick=quick,
        data="mnist",
        seeds=2,
        minutes=30,
        results=list(results),
        matmul_gflops=[
            {"float32": 300.0, "bfloat16": 700.0},
            {"float32": 400.0, "bfloat16": 600.0},
        ],
    )


def text(drawn, width=120):
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()


@pytest.mark.parametrize(
    "peers",
    [
        [],
        pytest.param(
            ["keras_fit", "keras_example", "keras_tutorial"],
            marks=pytest.mark.long("a quick benchmark of other people's networks beside ours"),
        ),
    ],
)
def test_a_quick_benchmark_of_every_kind_of_contender(peers, tmp_path):
    names = ("fast", *peers, "torch_float32")
    files = ("--json", tmp_path / "values.json", "--picture", tmp_path / "frontier.png")
    command = (
        sys.executable,
        SCRIPTS / "benchmark.py",
        "--quick",
        "--data",
        "digits",
        *files,
    )
    done = subprocess.run(
        [*command, "--torch-python", "no-such-python", "--only", *names],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "A QUICK CHECK, NO RESULT" in done.stdout
    titles = ("experiment=fast", "fast, Keras's fit", "Keras's convnet example")
    for title in titles[: 1 + len(peers)]:
        assert title in done.stdout
    assert "fast in PyTorch is left out: no-such-python" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120

    values = json.loads((tmp_path / "values.json").read_text())
    assert {one["name"] for one in values["results"]} == set(names[:-1])
    for one in values["results"]:
        (run,) = one["trials"]
        assert run["epochs"] == 1
        assert run["test_images"] == 355
        assert 0 < run["fit_seconds"] < run["command_seconds"]
        assert 0 < one["figures"]["matmul_peak_share"] < 1
        assert one["failures"] == []
    assert f"oneDNN {'on' if numerics.onednn() else 'off'}" in values["machine"]
    counts = {one["name"]: one["training_multiply_adds"] for one in values["results"]}
    if peers:
        assert counts["keras_fit"] == counts["fast"]
        # What Keras's own summary of the example says, and two dense layers of 50 over 784 pixels.
        # Three times, but for the gradient of the image, which nobody computes.
        first, others = 26**2 * 9 * 32, 11**2 * 9 * 32 * 64 + 1600 * 10
        assert counts["keras_example"] == 2 * first + 3 * others
        assert counts["keras_tutorial"] == 2 * 784 * 50 + 3 * (50 * 50 + 50 * 10)
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_figures():
    one = result("fast", trial(0, 10.0, 80), trial(1, 30.0, 60))
    both = frontier(one, result("keras_example", trial(0, 400.0, 90)))
    assert one.accuracy.mean == pytest.approx(0.9930)
    assert one.median("images_per_second") == pytest.approx((16_500 + 5500) / 2)
    # 2 operations for each of a million, 11,000 times a second, of the best 400 GFLOP/s
    assert one.peak_share(both.peaks) == pytest.approx(2e6 * 11_000 / 400e9)
    assert both.times_faster(one) == 40  # of seed 0, the only one that both have
    assert frontier(one).times_faster(one) is None
    assert one.training_tflop == pytest.approx(2e6 * 3 * 55_000 / 1e12)
    assert [r.name for r in both.ranking] == ["fast", "keras_example"]
    assert [r.name for r in frontier_results.undominated(both.ranking)] == ["fast"]


def test_who_reaches_a_target_first_and_with_the_fewest_operations():
    quick, small = result("quick", trial(0, 5.0, 95)), result("small", trial(0, 9.0, 85))
    small.training_multiply_adds = 10
    both = frontier(small, quick, result("right", trial(0, 30.0, 70)))
    assert [both.first_to(target).name for target in (0.99, 0.991, 0.992)] == [
        "quick",
        "small",
        "right",
    ]
    assert both.least_to(0.99).name == "small"
    assert both.first_to(0.999) is both.least_to(0.999) is None
    assert "To a mean of 99 %: first quick, 5.0 s" in text(frontier_table.table(both))


def test_one_seed_and_seeds_that_agree_have_the_interval_of_their_images():
    alone, agreeing = result("a", trial(0)), result("b", trial(0), trial(1))
    assert alone.accuracy == agreeing.accuracy._replace(deviation=None)
    assert alone.accuracy.low < alone.accuracy.mean < alone.accuracy.high


def test_a_record_gives_the_same_again():
    well = result("fast", trial(0), trial(1, test_errors=90))
    ill = result("best")
    ill.failures.append(Failure(0, 3.0, "exit code 1"))
    both = frontier(well, ill)
    values = json.loads(json.dumps(frontier_results.record(both)))
    assert frontier_results.from_record(values) == both
    assert values["results"][0]["figures"]["aim_times_faster"] == 40


def test_the_table_on_a_page_says_what_the_terminal_says():
    shown = frontier(result("fast", trial(0), trial(1, test_errors=90)), result("best", trial(0)))
    heading, rule, *lines = frontier_table.markdown(shown).splitlines()
    assert heading.count("|") == rule.count("|") == len(frontier_table.COLUMNS) + 1
    terminal = " ".join(text(frontier_table.table(shown)).split())
    for line, name in zip(lines, ("fast", "best"), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == name
        assert " ".join(cell for cell in cells if cell) in terminal


def test_failures_are_shown_and_counted():
    partly = result("fast", trial(0), trial(1, test_errors=90))
    partly.failures.append(Failure(2, 3.0, "exit code 1"))
    never = result("best")
    never.failures.append(Failure(0, 3.0, "exit code 1"))
    lines = text(frontier_table.table(frontier(partly, never))).splitlines()
    assert any(line.split()[:4] == ["fast", "2", "of", "3"] for line in lines)
    assert any(line.split() == ["best", "0", "of", "1"] for line in lines)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("import sys; sys.exit('lost')", "exit code 1\nlost"), ("print('well')", "line of JSON")],
)
def test_a_run_that_fails_is_a_failure(program, reason, tmp_path):
    from frontier_contenders import Contender

    contender = Contender(result("keras_example", ours=False), (sys.executable, "-c", program))
    compete(contender, 7, tmp_path)
    assert contender.result.trials == []
    (failure,) = contender.result.failures
    assert failure.seed == 7
    assert reason in failure.reason


def test_an_aim_that_is_missed_is_marked_but_not_in_a_quick_check():
    both = (result("fast", trial(0, 10.0)), result("keras_example", trial(0, 100.0)))
    assert "10.0 < 40" in text(frontier_table.table(frontier(*both)))
    assert "10.0 < 40" not in text(frontier_table.table(frontier(*both, quick="1 epoch")))


def test_no_name_covers_another_in_the_picture():
    crowd = [
        result(f"contender_{number}", trial(0, 5 + 0.7 * number, 75 + 3 * number))
        for number in range(6)
    ]
    crowd.append(result("the best of them", trial(0, 900.0, 25)))
    figure = frontier_picture.picture(frontier(*crowd))
    (axes,) = figure.axes
    boxes = [label.get_window_extent() for label in axes.texts if label.get_text()]
    assert len(boxes) == len(crowd)
    for number, box in enumerate(boxes):
        assert axes.get_window_extent().count_contains(box.corners()) == 4
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_a_recipe_has_twins_only_where_it_can_be_translated():
    import frontier_twins

    from mnist_exp.config.compose import compose
    from mnist_exp.training import build

    config = compose(["experiment=fast", "training.epochs=2", "training.batch_size=100"]).config
    assert list(frontier_twins.untranslated(config)) == []
    recipe = frontier_twins.recipe(config, build.network(config), images=1050)
    assert len(recipe["rates"]) == 22
    assert max(recipe["rates"]) == pytest.approx(config.optimizer.learning_rate, rel=0.05)
    json.dumps(recipe)
    shifted = compose(["experiment=fast", "augmentation=shift"]).config
    assert list(frontier_twins.untranslated(shifted)) == ["it has no augmentation shift"]
