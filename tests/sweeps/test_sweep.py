"""A grid from its plan to its report: each job once, whatever is asked again.

The tests go on with one sweep, from top to bottom.
"""

import csv

import pytest
from projects import SMOKE

from mnist_exp.tracking.names import KEY_TAG

pytestmark = pytest.mark.xdist_group("grid")

# Four jobs, of which the grid has two already: its last and its second.
GROWN = ["data=digits", "data.train_images=400", *SMOKE, "training.epochs=3", "training.threads=1",
         "training.batch_size=32", "training.precision=float32", "model=seed_mlp,tiny", "seed=0,1",
         "sweep.name=grid"]  # fmt: skip


def test_a_grid_leaves_a_parent_run_with_its_report(grid):
    assert list(grid.finished) == [0, 1, 2, 3]
    assert len({weights for weights, _ in grid.finished.values()}) == 4
    parent = grid.folder.parent()
    assert (parent.name, parent.status, parent.outcome) == ("grid", "FINISHED", "finished")
    counts = {"jobs": 4, "finished": 4, "pruned": 0, "failed": 0}
    jobs = grid.folder.jobs().values()
    best = max(jobs, key=lambda run: run.validation_accuracy)
    assert parent.metrics == {f"sweep/{name}": count for name, count in counts.items()} | {
        name: best.metrics[name] for name in ("chosen/val_accuracy", "test/accuracy")
    }
    assert (parent.tags["model"], parent.tags["data"]) == ("tiny, seed_mlp", "digits")
    result, heading, command, *_ = parent.tags["mlflow.note.content"].split("\n\n")
    reached = f"{100 * best.validation_accuracy:.2f} % validation accuracy"
    assert result.startswith(f"**{reached}**, ")
    assert heading == "## The winner again"
    assert command.startswith("```sh\nmnist-exp train ")
    for name in ("best_so_far", "parallel_coordinates"):  # four configs have no importance
        picture = grid.folder.artifact(parent, f"plots/{name}.png")
        assert picture.read_bytes().startswith(b"\x89PNG")
    ranking = grid.folder.artifact(parent, "ranking.md").read_text()
    assert "| # | model | training.precision |" in ranking
    rows = csv.DictReader(grid.folder.artifact(parent, "results.csv").read_text().splitlines())
    assert [(row["job"], row["model"], row["training.precision"]) for row in rows] == [
        (str(number), *choice)
        for number, choice in enumerate(
            (model, precision)
            for model in ("tiny", "seed_mlp")
            for precision in ("bfloat16", "float32")
        )
    ]


def test_a_job_reaches_what_it_reaches_alone(grid, new_folder):
    alone = new_folder("alone")
    for number, model in ((3, "seed_mlp"), (1, "tiny")):
        job = [text for text in grid.overrides if not text.startswith(("model", "sweep"))][:-1]
        alone.train(*job, f"model={model}", "training.precision=float32")
        assert alone.results(alone.runs()[0]) == grid.finished[number]


def test_what_is_done_does_not_run_again(grid):
    folders = grid.folder.job_folders()
    again = grid.folder.train("-m", *grid.overrides)
    assert "Sweep grid: all 4 jobs are done" in again.stderr
    assert "The winner again:" in again.stdout
    assert grid.folder.job_folders() == folders
    assert grid.folder.finished() == grid.finished


def test_the_runs_of_a_sweep_are_listed(grid):
    listed = grid.folder.end(grid.folder.start("runs", "--sweep", "grid"), 0).stdout.splitlines()
    names = {run.name for run in grid.folder.jobs().values()}
    assert {line.split()[0] for line in listed[1:]} == names
    unknown = grid.folder.end(grid.folder.start("runs", "--sweep", "gird"), 2)
    assert "Did you mean 'grid'? Sweeps: grid." in unknown.stderr


def test_a_grid_grows(grid):
    dry = grid.folder.train("-m", *grid.overrides, "seed=0,1", "--dry-run")
    assert "Sweep grid: 4 of 8 done, 4 to do" in dry.stderr
    _, first, second, *_ = dry.stdout.splitlines()
    reached = grid.folder.jobs()[0]
    assert first.split()[:5] == ["0", "tiny", "bfloat16", "0", "done:"]
    accuracy = reached.metrics["chosen/val_accuracy"]
    assert first.endswith(f"  done: {reached.name}, validation {accuracy:.2%}")
    assert second.split() == ["4", "tiny", "bfloat16", "1", "to", "do"]
    assert max(map(len, dry.stdout.splitlines())) <= 80
    grown = grid.folder.train("-m", *GROWN)
    assert "Sweep grid: 2 of 4 done, 2 to do" in grown.stderr
    assert "2 other jobs of this sweep, of values that are not given now" in grown.stderr
    rows = [line.split() for line in grown.stdout.splitlines() if line[:2] in {"1 ", "2 "}]
    assert sorted(row[1:3] for row in rows) == [["seed_mlp", "2"], ["tiny", "2"]]  # of two seeds
    assert f" model={rows[0][1]} " in grown.stdout.partition("The winner again")[2]
    finished = grid.folder.finished()
    assert list(finished) == list(range(6))
    assert grid.finished.items() <= finished.items()
    assert grid.numbers.items() <= grid.folder.numbers().items()


def test_what_older_code_finished_is_kept_until_it_is_asked_for(grid):
    old = grid.folder.jobs()[3]
    grid.folder.tag(old, code_sha256="0" * 64)
    dry = grid.folder.train("-m", *GROWN, "--dry-run")
    assert "all 4 jobs are done" in dry.stderr
    assert "1 of those done were run by other code; sweep.rerun=stale" in dry.stderr
    everything = grid.folder.train("-m", *GROWN, "--dry-run", "sweep.rerun=all")
    assert "Sweep grid: 4 jobs" in everything.stderr
    assert everything.stdout.count("  to do again, finished before\n") == 4
    again = grid.folder.train("-m", *GROWN, "sweep.rerun=stale")
    assert "Sweep grid: 3 of 4 done, 1 to do" in again.stderr
    same = [run for run in grid.folder.runs() if run.tags[KEY_TAG] == old.tags[KEY_TAG]]
    assert len(same) == len(grid.folder.runs()) - 5 == 2
    first, second = map(grid.folder.results, same)
    assert first == second
    assert {run.params["sweep.job"] for run in same} == {"3"}
