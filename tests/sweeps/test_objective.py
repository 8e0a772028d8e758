"""What configs are compared by: accuracy, or another metric of the validation images."""

import csv
import io
import math

import pytest
from sweep_results import job, shown

from mnist_exp.plots.scale import LinearScale
from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.coordinates import parallel_title
from mnist_exp.sweeps.results.exploration import measured, steps
from mnist_exp.sweeps.results.figures import best_so_far_title
from mnist_exp.sweeps.results.objective import Objective
from mnist_exp.sweeps.results.ranking import ranking


def by(name, values, *, seeds=1):
    """Returns jobs with values of a metric that rise as their accuracy falls."""
    jobs = []
    for place, value in enumerate(values):
        for seed in range(seeds):
            number = seeds * place + seed
            plain = job(number, [f"model.dropout=0.{place}"], 0.9 - 0.1 * place, seed=seed)
            metrics = plain.metrics | {f"val/{name}": 0.0, f"chosen/val_{name}": value + seed / 100}
            params = plain.params | {"search.objective": name}
            fields = {"metrics": metrics, "params": params, "seed": seed}
            jobs.append(job(number, [f"model.dropout=0.{place}"], **fields))
    return jobs


def test_the_greatest_value_is_the_best():
    rows = ranking(by("macro_f1", [0.5, 0.6, 0.7]))
    assert [row.overrides for row in rows] == [(f"model.dropout=0.{n}",) for n in (2, 1, 0)]
    assert [row.mean for row in rows] == [0.7, 0.6, 0.5]


def test_one_seed_has_no_interval_and_several_have_students():
    (one, *_) = ranking(by("cost", [-3.0, -2.0, -1.0]))
    assert math.isnan(one.low)
    assert one.deviation is None
    (several, *_) = ranking(by("cost", [-3.0, -2.0, -1.0], seeds=3))
    assert several.mean == pytest.approx(-0.99)
    assert several.high - several.low == pytest.approx(2 * 4.3027 * 0.01 / math.sqrt(3), rel=1e-4)
    same = Objective("cost").summary([2.0, 2.0], 100)
    assert (same.mean, same.deviation, math.isnan(same.low)) == (2.0, 0.0, True)


def test_texts_name_it_and_count_no_percent():
    found = by("macro_f1", [0.5, 0.6, 0.7])
    text, markdown = shown(found), report.markdown(found, [])
    assert "  val macro_f1 (95 %)  " in text.splitlines()[0]
    assert "validation macro_f1 (95 %)" in markdown
    for words in (text, markdown):
        assert "0.7000" in words
        assert "Ranked by validation macro_f1;" in " ".join(words.split())
        assert "a single seed has none" in " ".join(words.split())
    (first, *_) = csv.DictReader(io.StringIO(report.csv(found)))
    assert (first["objective"], first["val/accuracy"]) == ("0.5", "0.8998")


def test_pictures_name_it_and_have_an_even_scale():
    found = by("cost", [-8.0, -6.0, -4.0])
    assert set(report.pictures(found)) == {"best_so_far", "parallel_coordinates"}
    title = best_so_far_title(steps(found), Objective("cost"))
    assert title.startswith("Best so far: -4.0000 validation cost, reached with config 3 of 3")
    assert parallel_title(measured(found)).startswith(
        "Parallel coordinates: -4.0000 validation cost is the best of 3 configs"
    )
    scale = LinearScale([-8.0, -6.0, -4.0])
    assert [scale.height(value) for value in (-8.0, -6.0, -4.0)] == [0.0, 0.5, 1.0]
    assert scale.ticks() == {"-8": 0.0, "-7": 0.25, "-6": 0.5, "-5": 0.75, "-4": 1.0}
    assert LinearScale([3.5]).ticks() == {"3.5": 0.5}


def test_accuracy_is_what_a_grid_goes_by():
    objective = job(0, value=0.98).objective
    assert objective.metric == "val/accuracy"
    assert objective.value({"val/accuracy": 0.5}) == 0.5  # of a run that was pruned
    assert objective.value({"val/accuracy": 0.5, "chosen/val_accuracy": 0.6}) == 0.6
    assert math.isnan(objective.value({"val/loss": 0.5}))
    assert objective.told(0.9812) == "validation 98.12%"
    assert objective.span(0.9, 0.95) == "90.00-95.00"
    assert Objective("cost").span(-3.5, -1.25) == "-3.5000 to -1.2500"
    assert Objective("macro_f1").told(0.98123) == "macro_f1 0.9812"
