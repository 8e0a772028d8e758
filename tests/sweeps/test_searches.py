"""Searches as a user gives them: cut off and gone on with, pruned, repeated over seeds, halved."""

import json
import os
import signal

import idx_files
import optuna
import pytest
from projects import SMOKE

from mnist_exp.config.compose import Composer
from mnist_exp.config.grid import SweepComposer
from mnist_exp.sweeps.plan import Plan
from mnist_exp.sweeps.search.strategies import EXPLORERS
from mnist_exp.tracking.names import TRIAL_TAG

SMALL = ["data=digits", *SMOKE, "model=mlp", "model.hidden_units=[16]"]
# Rates so small that nothing is learnt are half of the space.
RATES = "optimizer.learning_rate=tag(log,interval(1e-7,1e-1))"
PRUNED = [*SMALL, "search=random", "search.pruner=median", "search.trials=8", "training.epochs=4",
          "training.batch_size=64", "sweep.name=rates"]  # fmt: skip


def test_a_search_that_was_killed_goes_on_and_prunes(folder):
    process = folder.start("train", "-m", *PRUNED, RATES)
    folder.wait_for('"sweep.job": "3"', process=process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    folder.train("-m", *PRUNED, RATES)
    jobs = folder.jobs()
    plan = Plan(SweepComposer(Composer(), [*PRUNED, RATES]))
    proposals = EXPLORERS["random"](plan.config.search, plan.space, 4).next([], 8)
    wanted = {proposal.number: proposal.params for proposal in proposals}
    trials = {number: json.loads(run.tags[TRIAL_TAG]) for number, run in jobs.items()}
    assert {number: trial["params"] for number, trial in trials.items()} == wanted
    assert all(number == trial["number"] for number, trial in trials.items())
    assert {run.outcome for run in jobs.values()} == {"finished", "pruned"}
    assert {run.status for run in jobs.values()} == {"FINISHED"}
    pruned = [run for run in jobs.values() if run.outcome == "pruned"]
    for run in pruned:
        epochs = folder.history(run, "val/accuracy")
        assert list(epochs) == list(range(1, len(epochs) + 1))
        assert 1 <= len(epochs) < 4
        assert not any(name.startswith("test/") for name in run.metrics)
    assert folder.parent().metrics["sweep/pruned"] == len(pruned)
    check_study(folder, jobs)
    (folder.path / "optuna.db").unlink()
    assert "8 runs so far" in folder.train("-m", *PRUNED, RATES).stderr
    check_study(folder, jobs)
    check_other_space(folder)


def test_a_search_goes_by_a_metric_of_the_users_own(folder):
    """By one that is the greatest where accuracy is the least."""
    (folder.path / "own.py").write_text(
        "from mnist_exp.extend import metric\n\n\n"
        "@metric('mistakes')\n"
        "def mistakes(probabilities, labels):\n"
        "    return 100.0 * (probabilities.argmax(axis=1) != labels).mean()\n"
    )
    own = ("--components", "own.py", "metrics=[mistakes]", "search.objective=mistakes")
    done = folder.train("-m", *own, *PRUNED, RATES)
    jobs = folder.jobs()
    finished = [run for run in jobs.values() if run.outcome == "finished"]
    assert len(finished) > 1
    best = max(finished, key=lambda run: run.metrics["chosen/val_mistakes"])
    assert best.validation_accuracy == min(run.validation_accuracy for run in finished)
    rate = best.params["optimizer.learning_rate"]
    assert f"learning_rate={rate}" in done.stdout.partition("The winner again")[2]
    assert "val mistakes (95 %)" in done.stdout
    assert "Ranked by validation mistakes;" in done.stdout
    assert f"mistakes {best.metrics['chosen/val_mistakes']:.4f}" in done.stderr
    study = optuna.load_study(study_name="rates", storage=f"sqlite:///{folder.path}/optuna.db")
    for number, run in jobs.items():
        (trial,) = (trial for trial in study.trials if trial.user_attrs["trial"] == number)
        assert trial.intermediate_values == folder.history(run, "val/mistakes")
        if run.outcome == "finished":
            assert trial.value == run.metrics["chosen/val_mistakes"]
    refused = folder.train("-m", *PRUNED, RATES, code=2)
    assert "changed: search.objective=mistakes is now accuracy" in refused.stderr


def check_study(folder, jobs):
    """Optuna's dashboard finds what the runs have; the command after the kill made it anew."""
    study = optuna.load_study(study_name="rates", storage=f"sqlite:///{folder.path}/optuna.db")
    trials = {trial.user_attrs["trial"]: trial for trial in study.trials}
    assert len(study.trials) == 8
    for number, run in jobs.items():
        trial = trials[number]
        assert trial.params == json.loads(run.tags[TRIAL_TAG])["params"]
        assert trial.intermediate_values == folder.history(run, "val/accuracy")
        assert trial.state.name == {"finished": "COMPLETE", "pruned": "PRUNED"}[run.outcome]


def check_other_space(folder):
    """Nothing is run under the name of another space, and the difference is shown."""
    before = folder.job_folders()
    refused = folder.train("-m", *PRUNED, RATES.replace("1e-7", "1e-6"), code=2)
    assert "the space that sweep rates explored before. Received: another." in refused.stderr
    assert "optimizer.learning_rate" in refused.stderr
    assert "1e-06" in refused.stderr
    grid = folder.train("-m", *SMALL, "sweep.name=rates", "seed=0,1", code=2)
    assert "it was a search, and is now a grid" in grid.stderr
    assert folder.job_folders() == before


def test_a_search_of_the_same_words_among_other_data_is_another(folder):
    search = [
        "data=idx", "data.root=images", "data.validation_images=50", *SMOKE,
        "model=seed_mlp,mlp", "search=random", "search.trials=1",
    ]  # fmt: skip
    write_images(folder.path / "images", seed=0)
    folder.train("-m", *search)
    write_images(folder.path / "images", seed=1)
    refused = folder.train("-m", *search, code=2)
    assert "changed: the data, or the configs that its values belong to" in refused.stderr
    assert len(folder.jobs()) == 1


def write_images(folder, *, seed):
    """Writes a data set of noise in four IDX files."""
    idx_files.write(folder, train=idx_files.noise(200, seed=seed), test=idx_files.noise(50, seed=9))


def test_seeds_repeat_a_trial(folder):
    search = [*SMALL, "search=tpe", "search.trials=2", "seed=0,1", RATES]
    folder.train("-m", *search)
    jobs = folder.jobs()
    assert list(folder.finished()) == [0, 1, 2, 3]
    assert [run.params["seed"] for run in jobs.values()] == ["0", "1", "0", "1"]
    trials = [json.loads(run.tags[TRIAL_TAG])["number"] for run in jobs.values()]
    assert trials == [0, 0, 1, 1]
    again = folder.train("-m", *search)
    assert "4 runs so far" in again.stderr
    assert len(folder.runs()) == 4


@pytest.mark.parametrize("launcher", ["sequential", "parallel"])
def test_two_points_of_a_space_that_are_one_config_are_trained_once(folder, launcher):
    """Two options of a group whose keys are swept too, and 0 beside 0.0."""
    space = ["loss=cross_entropy,smoothed", "loss.label_smoothing=0,0.1", "model.dropout=0,0.0"]
    search = [*SMALL, "search=random", "search.trials=8", *space, f"hydra/launcher={launcher}"]
    told = folder.train("-m", *search).stderr
    assert "[8 of 8]" in told
    assert told.count(", which is the same") == 6
    assert sorted(run.params["loss.label_smoothing"] for run in folder.runs()) == ["0.0", "0.1"]
    assert folder.parent().metrics["sweep/finished"] == 8
    assert "[8 of 8]" in folder.train("-m", *search).stderr
    assert len(folder.runs()) == 2


def test_a_trial_that_the_schema_refuses_is_told_as_a_failure(folder):
    space = ["model=cnn", "model.filters=[8],[8,8]", "model.kernel_sizes=[3],[3,3]"]
    search = ["data=digits", *SMOKE, "search=random", "search.trials=4", *space]
    failed = folder.train("-m", *search, "sweep.on_failure=stop", code=1)
    told = [line for line in failed.stderr.splitlines() if line.startswith("job ")]
    assert told[2].startswith(
        "job 2 (filters=[8,8] kernel_sizes=[3]): failed: model.kernel_sizes: "
    )
    assert "Expected as many as model.filters, which has 2. Received: [3]." in told[2]
    assert " 0.0 s  [3 of 4" in told[2]
    assert len(told) == 3  # the last trial does not begin
    assert "1 of 3 that failed" in failed.stderr


def test_halving_in_parallel_keeps_the_best(folder):
    search = [*SMALL, "search=halving", "search.trials=4", "search.reduction=2", RATES]
    folder.train("-m", *search, "training.epochs=2", "hydra/launcher=parallel")
    jobs = folder.jobs()
    assert list(folder.finished()) == [0, 1, 2, 3, 4, 5]
    assert [run.params["training.epochs"] for run in jobs.values()] == ["1"] * 4 + ["2"] * 2
    rates = [float(run.params["optimizer.learning_rate"]) for run in jobs.values()]
    assert [run.metrics["swept/optimizer.learning_rate"] for run in jobs.values()] == rates
    reached = [run.metrics["chosen/val_accuracy"] for run in jobs.values()]
    first = sorted(range(4), key=lambda number: (-reached[number], number))
    assert sorted(rates[4:]) == sorted(rates[number] for number in first[:2])
