import math
import pickle

import optuna
import pytest
from optuna.trial import TrialState

from mnist_exp.sweeps.search.pruning import PRUNERS, Contest, Peers
from mnist_exp.sweeps.search.strategies import Trial

EPOCHS = 9

every_pruner = pytest.mark.parametrize("pruner", PRUNERS)


def curve(level: float, epochs: int = EPOCHS) -> dict[int, float]:
    return {epoch: level - 0.2 / epoch for epoch in range(1, epochs + 1)}


def finished(number: int, level: float) -> Trial:
    return Trial(number, {"a": level}, level, curve(level), "finished")


def contest(pruner, trials, number, warmup_epochs=0, epochs=EPOCHS) -> Contest:
    return Contest(Peers(pruner, tuple(trials), number, epochs, warmup_epochs))


GOOD = [finished(number, 0.95 + number / 1000) for number in range(12)]


@every_pruner
def test_a_trial_far_behind_stops_and_the_best_does_not(pruner):
    numbers = range(12, 30)
    behind = [contest(pruner, GOOD, n).stops(curve(0.5, epochs=3)) for n in numbers]
    assert any(behind)
    assert not any(contest(pruner, GOOD, n).stops(curve(0.99, epochs=3)) for n in numbers)


@every_pruner
def test_no_peers_no_reason_to_stop(pruner):
    assert not contest(pruner, [], 0).stops(curve(0.1, epochs=3))


@every_pruner
def test_no_stop_before_the_first_epoch_nor_after_the_last(pruner):
    for number in range(12, 20):
        asked = contest(pruner, GOOD, number)
        assert not asked.stops({})
        assert not asked.stops(curve(0.1))


@every_pruner
def test_the_answer_is_a_function_of_the_values(pruner):
    values = curve(0.6, epochs=EPOCHS - 1)
    for number in range(12, 20):
        lasting = contest(pruner, GOOD, number)
        steps = []
        for epoch in values:
            so_far = {e: value for e, value in values.items() if e <= epoch}
            answer = lasting.stops(so_far)
            assert lasting.stops(so_far) == answer
            assert contest(pruner, GOOD, number).stops(so_far) == answer
            steps.append(answer)
        assert lasting.stops({1: values[1]}) == steps[0]  # another past than the one asked before
        assert lasting.stops(dict(reversed(values.items()))) == steps[-1]


@every_pruner
def test_peers_travel(pruner):
    peers = Peers(pruner, tuple(GOOD), 13, EPOCHS, 0)
    again = pickle.loads(pickle.dumps(peers))
    assert again == peers
    values = curve(0.5, epochs=3)
    assert Contest(again).stops(values) == Contest(peers).stops(values)


@every_pruner
def test_odd_peers_do_no_harm(pruner):
    odd = [
        Trial(3, {}, None, {}, "failed"),
        Trial(5, {}, None, {1: math.nan}, "failed"),
        Trial(7, {}, None, {1: 0.5, 2: 0.6}, "pruned"),
        Trial(8, {}, None, {}, "pruned"),
        Trial(9, {}, None, {1: 0.4}, None),
        Trial(11, {}, math.nan, {1: 0.5}, "finished"),
        finished(20, 0.9),
    ]
    asked = contest(pruner, odd, 10)
    assert asked.stops({1: 0.5, 2: 0.6}) in (True, False)
    assert asked.stops({1: math.nan, 2: math.nan}) in (True, False)


@every_pruner
def test_a_trial_is_not_its_own_peer(pruner):
    """One that was cut off and is resumed may be among those that its process was given."""
    itself = Trial(12, {}, None, {1: 0.4}, None)
    for values in (curve(0.5, epochs=3), curve(0.96, epochs=3)):
        assert contest(pruner, [*GOOD, itself], 12).stops(values) == contest(
            pruner, GOOD, 12
        ).stops(values)


@every_pruner
def test_nothing_is_printed(pruner, capfd):
    contest(pruner, GOOD, 12).stops(curve(0.5, epochs=3))
    assert capfd.readouterr() == ("", "")


def test_the_median_waits_for_peers_and_for_the_warmup():
    low = curve(0.5, epochs=2)
    assert not contest("median", GOOD[:4], 12).stops(low)
    assert contest("median", GOOD[:5], 12).stops(low)
    assert not contest("median", GOOD, 12, warmup_epochs=3).stops(low)
    assert contest("median", GOOD, 12, warmup_epochs=2).stops(low)
    between = curve((GOOD[0].value + GOOD[-1].value) / 2 + 0.001, epochs=2)
    assert not contest("median", GOOD, 12).stops(between)


@pytest.mark.parametrize(("epochs", "warmup_epochs"), [(1, 0), (2, 5), (3, 3), (100, 0)])
def test_hyperband_takes_any_length(epochs, warmup_epochs):
    for number in range(12, 20):
        asked = contest("hyperband", GOOD, number, warmup_epochs, epochs)
        assert not asked.stops({1: 0.99})


def test_hyperband_decides_as_it_would_in_one_optuna_study():
    """Thirty trials, one after the other: in a study of their own, and each from plain values."""
    levels = [0.5 + (37 * number % 100) / 250 for number in range(30)]
    pruner = optuna.pruners.HyperbandPruner(1, EPOCHS, 3)
    study = optuna.create_study(study_name="search", direction="maximize", pruner=pruner)
    trials = []
    for number, level in enumerate(levels):
        asked, ours, seen = study.ask(), contest("hyperband", trials, number), {}
        outcome = "finished"
        for epoch, value in curve(level).items():
            seen[epoch] = value
            asked.report(value, epoch)
            stops = asked.should_prune() and epoch < EPOCHS
            assert ours.stops(seen) == stops, (number, epoch)
            if stops:
                outcome = "pruned"
                break
        if outcome == "finished":
            study.tell(asked, level)
        else:
            study.tell(asked, state=TrialState.PRUNED)
        value = level if outcome == "finished" else None
        trials.append(Trial(number, {}, value, seen, outcome))
    outcomes = [trial.outcome for trial in trials]
    assert 5 < outcomes.count("pruned") < 25
