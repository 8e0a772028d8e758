import math
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from mnist_exp.config.problems import ConfigError
from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.search.space import Space
from mnist_exp.sweeps.search.storage import Published
from mnist_exp.sweeps.search.strategies import EXPLORERS, Proposal, Trial, study

SPACE = Space(
    {
        "rate": FloatDistribution(1e-5, 1e-1, log=True),
        "momentum": FloatDistribution(0.5, 1.0),
        "dropout": FloatDistribution(0.0, 0.6, step=0.1),
        "units": IntDistribution(16, 256, step=16),
        "model": CategoricalDistribution(["cnn", "mlp"]),
    },
    (),
    (),
)
SMALL = Space(
    {"model": CategoricalDistribution(["cnn", "mlp"]), "depth": IntDistribution(1, 3)}, (), ()
)
EPOCHS = 9

every_explorer = pytest.mark.parametrize("name", EXPLORERS)


def make(name, space=SPACE, epochs=EPOCHS, **changes):
    values = {"trials": 12, "seed": 0, "reduction": 3, "min_epochs": 1}
    return EXPLORERS[name](SimpleNamespace(**(values | changes)), space, epochs)


def accuracy(params) -> float:
    """A smooth objective with its best, 0.99, at a rate of 0.002 and a momentum of 0.9."""
    distance = (math.log10(params["rate"]) + 2.7) ** 2 + 4 * (params["momentum"] - 0.9) ** 2
    return 0.99 - 0.05 * distance - (0.05 if params["model"] == "mlp" else 0.0)


def finish(proposal: Proposal, objective=accuracy) -> Trial:
    value = objective(proposal.params)
    return Trial(proposal.number, proposal.params, value, {1: value / 2, 2: value}, "finished")


def search(name, begun=(), room=1, limit=math.inf, space=SPACE, **changes) -> list[Trial]:
    """Goes on from some trials, with a new explorer for each step, as after a crash."""
    trials = list(begun)
    objective = accuracy if space is SPACE else lambda params: params["depth"] / 10
    while len(trials) < limit:
        proposals = make(name, space, **changes).next(trials, room)
        if not proposals:
            break
        assert len(proposals) <= room
        trials += [finish(proposal, objective) for proposal in proposals]
    return trials


@every_explorer
def test_it_ends_with_every_number_once(name):
    trials = search(name)
    # Halving: 12 for one epoch, 4 for three, 1 for nine.
    assert [trial.number for trial in trials] == list(range({"halving": 17}.get(name, 12)))
    assert make(name).total == len(trials)


@every_explorer
def test_numbers_are_distinct_with_several_at_once(name):
    trials = search(name, room=5)
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))
    first = [tuple(trial.params.values()) for trial in trials[:12]]
    assert len(set(first)) == 12


@every_explorer
@pytest.mark.parametrize("cut", [1, 7, 11])
def test_a_search_that_was_cut_off_goes_on_as_if_it_was_not(name, cut):
    whole = search(name)
    assert search(name, whole[:cut]) == whole
    assert search(name, reversed(whole[:cut]))[cut:] == whole[cut:]


@every_explorer
def test_an_explorer_that_lives_on_says_the_same_as_new_ones(name):
    whole = search(name)
    alive, trials = make(name), []
    while proposals := alive.next(trials, 1):
        trials += map(finish, proposals)
    assert trials == whole


@every_explorer
def test_open_trials_come_first_and_unchanged(name):
    trials = search(name, limit=6)
    lost = {1, 4}
    cut = [
        Trial(t.number, t.params, None, {1: 0.5}, None) if t.number in lost else t for t in trials
    ]
    proposals = make(name).next(cut, 3)
    assert [proposal.number for proposal in proposals] == [1, 4, 6]
    assert [p.params for p in proposals[:2]] == [trials[1].params, trials[4].params]
    assert make(name).next(cut, 1) == proposals[:1]


@every_explorer
def test_what_comes_next_does_not_depend_on_the_room(name):
    trials = search(name, limit=11)
    one, two = make(name, trials=20).next(trials, 2)
    begun = Trial(one.number, one.params, None, {}, None)
    assert make(name, trials=20).next([*trials, begun], 2) == [one, two]


@every_explorer
def test_lost_numbers_are_filled(name):
    whole = search(name, room=12, limit=12)
    left = [trial for trial in whole if trial.number not in (0, 5)]
    proposals = make(name).next(left, 4)
    assert [proposal.number for proposal in proposals] == [0, 5]
    if name != "tpe":  # which has learnt since
        assert [proposal.params for proposal in proposals] == [whole[0].params, whole[5].params]


@every_explorer
def test_seeds_give_different_searches(name):
    assert search(name, limit=1) != search(name, limit=1, seed=1)
    first, second = search(name, limit=2)
    assert first.params != second.params


@every_explorer
def test_the_order_of_keys_has_no_say(name):
    turned = Space(dict(reversed(SPACE.dimensions.items())), (), ())
    assert make(name, turned).next([], 3) == make(name).next([], 3)


@every_explorer
def test_values_are_inside_the_space_and_short(name):
    for trial in search(name, room=12, limit=30, trials=30):
        assert 1e-5 <= trial.params["rate"] < 1e-1
        assert 0.5 <= trial.params["momentum"] < 1.0
        assert trial.params["units"] % 16 == 0
        assert trial.params["dropout"] in [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
        digits = repr(trial.params["momentum"]).removeprefix("0.")
        assert len(digits) <= 6


@every_explorer
def test_an_interval_never_reaches_its_end(name):
    narrow = Space({"a": FloatDistribution(0.9999999, 1.0)}, (), ())
    for proposal in make(name, narrow, trials=20).next([], 20):
        assert 0.9999999 <= proposal.params["a"] < 1.0


@every_explorer
def test_a_small_space_is_tried_once(name):
    trials = search(name, space=SMALL, trials=50, reduction=6)
    assert sorted(tuple(trial.params.values()) for trial in trials[:6]) == [
        (depth, model) for depth in (1, 2, 3) for model in ("cnn", "mlp")
    ]
    assert len(trials) == {"halving": 7}.get(name, 6)
    assert make(name, SMALL, trials=50, reduction=6).total == len(trials)


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_trials_may_grow(name):
    trials = search(name, trials=5)
    assert search(name, trials, trials=12) == search(name, trials=12)


@every_explorer
def test_nothing_is_printed(name, capfd):
    search(name, limit=3)
    assert capfd.readouterr() == ("", "")


def test_random_looks_at_no_result():
    trials = search("random")
    assert make("random").next([], 12) == [Proposal(t.number, t.params, ()) for t in trials]


def test_tpe_is_better_than_random():
    best = {
        name: [max(t.value for t in search(name, trials=40, seed=seed)) for seed in range(3)]
        for name in ("random", "tpe")
    }
    assert sum(best["tpe"]) > sum(best["random"])
    assert min(best["tpe"]) > 0.98


def test_tpe_learns_from_pruned_trials_and_lives_with_failed_ones():
    trials = [
        Trial(t.number, t.params, None, {1: t.value}, ("pruned", "failed")[t.number % 4 == 3])
        for t in search("random", trials=40)
    ]
    rates = [p.params["model"] for p in make("tpe", trials=60).next(trials, 20)]
    assert rates.count("cnn") > 12


@pytest.mark.parametrize(
    ("changes", "rounds"),
    [
        ({"trials": 27, "epochs": 27}, [(27, 1), (9, 3), (3, 9), (1, 27)]),
        ({"trials": 27, "epochs": 10}, [(27, 1), (9, 3), (3, 10)]),
        ({"trials": 10, "epochs": 9, "min_epochs": 2}, [(10, 3), (3, 9)]),
        ({"trials": 4, "epochs": 27}, [(4, 1), (1, 27)]),
        ({"trials": 1, "epochs": 9}, [(1, 9)]),
        ({"trials": 8, "epochs": 2, "min_epochs": 3}, [(8, 2)]),
        ({"trials": 8, "epochs": 8, "reduction": 2}, [(8, 1), (4, 2), (2, 4), (1, 8)]),
    ],
)
def test_halving_has_fewer_and_longer_trials_in_each_round(changes, rounds):
    assert make("halving", **changes).rounds == rounds


def test_halving_trains_the_best_anew():
    trials = make("halving").next([], 99)
    assert {proposal.extra for proposal in trials} == {("training.epochs=1",)}
    first = [finish(proposal) for proposal in trials]
    assert make("halving").next(first[:-1], 99) == trials[-1:]
    second = make("halving").next(first, 99)
    ranked = sorted(first, key=lambda trial: -trial.value)
    assert [proposal.number for proposal in second] == [12, 13, 14, 15]
    assert [proposal.params for proposal in second] == [trial.params for trial in ranked[:4]]
    assert {proposal.extra for proposal in second} == {("training.epochs=3",)}
    last = make("halving").next([*first, *map(finish, second)], 99)
    assert last == [Proposal(16, ranked[0].params, ("training.epochs=9",))]


def fail(trials, numbers):
    return [
        Trial(t.number, t.params, None, {}, "failed") if t.number in numbers else t for t in trials
    ]


def test_halving_goes_on_with_those_that_did_not_fail():
    first = search("halving", limit=12)
    survivors = fail(first, range(10))
    second = make("halving").next(survivors, 99)
    assert sorted(proposal.number for proposal in second) == [12, 13]
    assert make("halving").next(fail(first, range(12)), 99) == []
    # A failed trial that succeeds when it is tried again neither moves nor repeats the others.
    later = [*first, *map(finish, second)]
    third = make("halving").next(later, 99)
    assert [proposal.number for proposal in third] == [14, 15]
    configs = [trial.params for trial in later[12:]] + [proposal.params for proposal in third]
    assert len({tuple(params.values()) for params in configs}) == 4


def test_halving_takes_no_accuracy_for_a_failure():
    first = search("halving", limit=12)
    unmeasured = [Trial(t.number, t.params, math.nan, {}, "finished") for t in first[:11]]
    (only,) = make("halving").next([*unmeasured, first[11]], 99)
    assert only.params == first[11].params


@pytest.mark.parametrize("changes", [{"trials": 30}, {"trials": 6}, {"epochs": 2}])
def test_halving_refuses_trials_of_other_rounds(changes):
    with pytest.raises(RequestError, match=r"sweep\.name"):
        make("halving", **changes).next(search("halving"), 1)


def test_halving_runs_again_what_was_deleted_of_an_early_round():
    whole = search("halving")
    (again,) = make("halving").next(whole[:3] + whole[4:], 99)
    assert (again.number, again.params) == (3, whole[3].params)


def test_halving_cannot_explore_the_epochs_itself():
    space = Space({"training.epochs": IntDistribution(1, 9)}, (), ())
    with pytest.raises(ConfigError, match="halving divides"):
        make("halving", space)


def test_the_study_has_what_optuna_needs():
    finished, pruned, failed, left, unmeasured = search("random", limit=5)
    trials = [
        Trial(4, unmeasured.params, math.nan, {1: math.nan}, "finished"),
        Trial(3, left.params, None, {}, None),
        Trial(2, failed.params, None, {1: 0.5}, "failed"),
        Trial(1, pruned.params, None, {1: 0.5}, "pruned"),
        finished,
    ]
    known = study(SPACE, trials)
    assert [trial.state for trial in known.trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
        TrialState.FAIL,
    ]
    assert known.best_trial.params == finished.params
    assert known.trials[1].intermediate_values == {1: 0.5}


def test_a_study_of_others_is_left_alone(tmp_path, capfd):
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(storage=url, study_name="theirs").enqueue_trial({"x": 1})
    Published(url, "theirs", SPACE).tell(search("random"))
    said = capfd.readouterr().err
    assert said.count("its study theirs has no mark of mnist-exp") == 1
    assert len(optuna.load_study(storage=url, study_name="theirs").trials) == 1
    for _ in range(2):  # ours is made anew
        Published(url, "ours", SPACE).tell(search("random"))
    assert "Warning" not in capfd.readouterr().err


def test_a_database_that_takes_no_study_is_told_of_once_without_its_password(capfd):
    url = "postgresql://anna:secret@127.0.0.1:1/studies"
    published = Published(url, "x", SPACE)
    published.tell(search("random"))
    said = capfd.readouterr().err
    assert said.count("Warning: Optuna's study is not written to postgresql://anna:***@") == 1
    assert "secret" not in said
