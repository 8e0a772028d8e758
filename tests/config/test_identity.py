"""Keys that came later: older records are completed, and the experiment stays the same."""

from mnist_exp.config.identity import LATER, LATER_OF, completed, completed_params, essential

OLDER = {"seed": 0, "data": {"name": "digits"}, "model": {"name": "cnn", "filters": [8]}}


def test_an_older_record_is_completed_and_what_it_says_stays():
    values = completed({**OLDER, "sweep": {"name": "mine"}})
    assert values["data"] == {"name": "digits", "split_seed": None}
    assert values["ensemble"] == {"members": 1}
    assert values["sweep"] == LATER["sweep"] | {"name": "mine"}
    assert values["search"] is None
    assert completed({"data": {"split_seed": 3}})["data"] == {"split_seed": 3}


def test_a_component_gets_its_own_later_keys_alone():
    for (section, name), keys in LATER_OF.items():
        assert keys.items() <= completed({section: {"name": name}})[section].items()
        assert not keys.keys() & completed({section: {"name": "other"}})[section].keys()


def test_later_keys_say_nothing_where_older_runs_had_no_choice():
    assert essential(completed(OLDER)) == OLDER
    set_later = completed(OLDER) | {"ensemble": {"members": 2}}
    assert essential(set_later) == OLDER | {"ensemble": {"members": 2}}


def test_what_is_no_record_is_left_for_the_schema():
    for odd in ({"data": None}, {"data": {"name": []}}, {"model": "cnn"}, {"model": {}}):
        assert odd.items() <= (completed(odd) | odd).items()
        essential(odd)


def test_params_are_completed_as_texts():
    params = completed_params({"model.name": "cnn", "seed": "3"})
    assert params["ensemble.members"] == "1"
    assert params["data.split_seed"] == "null"
    assert params["sweep.on_failure"] == "continue"
    assert params["seed"] == "3"
    assert completed_params({"ensemble.members": "5"})["ensemble.members"] == "5"
