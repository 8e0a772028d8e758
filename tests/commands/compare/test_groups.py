"""Seeds of a config together, and the columns that set configs apart."""

from made_runs import record

from mnist_exp.commands.compare.groups import differing, group, shown


def run(run_id, *, seed=0, model="cnn", code="a" * 64, **params):
    dotted = {key.replace("__", "."): value for key, value in params.items()}
    return record(
        run_id,
        seed=seed,
        tags={"model": model, "mnist_exp.code_sha256": code},
        **{"model.name": model, "training.epochs": "3", "training.threads": "2"} | dotted,
    )


def test_seeds_of_a_config_are_one_group_in_their_order():
    [found] = group([run("c", seed=2), run("a", seed=0), run("b", seed=1)])
    assert found.seeds == (0, 1, 2)
    assert [one.run_id for one in found.runs] == ["a", "b", "c"]
    assert found.name == "run-a and 2 more"


def test_what_does_not_determine_the_result_keeps_nothing_apart():
    others = {"data__root": "/a", "training__threads": "1", "sweep__job": "3"}
    assert len(group([run("a"), run("b", seed=1, **others)])) == 1
    assert len(group([run("a"), run("b", seed=1, training__epochs="4")])) == 2


def test_runs_that_measure_more_are_of_the_same_config():
    more = run("a")
    more.params["metrics"] = '["top_2"]'
    [found] = group([more, run("b", seed=1)])
    assert found.seeds == (0, 1)


def test_a_seed_that_was_repeated_counts_once_and_the_first_named_does():
    [found] = group([run("new"), run("old"), run("b", seed=1)])
    assert [one.run_id for one in found.runs] == ["new", "b"]


def test_the_same_seed_by_other_code_is_another_row():
    found = group([run("a", code="1" * 64), run("b", code="2" * 64)])
    assert shown(found) == {"code": ["11111111", "22222222"]}


def test_the_same_seed_on_other_threads_is_another_row():
    found = group([run("a"), run("b", training__threads="1")])
    assert shown(found) == {"training.threads": ["2", "1"]}


def test_what_tells_some_rows_apart_is_told_of_all():
    of_mlp = [run("c", model="mlp"), run("d", model="mlp", seed=1, training__threads="1")]
    found = group([run("a"), run("b", training__threads="1"), *of_mlp, run("e", model="tiny")])
    assert shown(found) == {
        "model": ["cnn", "cnn", "mlp", "tiny"],
        "training.threads": ["2", "1", "several", "2"],
    }


def test_other_seeds_by_other_code_stay_together():
    [found] = group([run("a", code="1" * 64), run("b", seed=1, code="2" * 64)])
    assert found.seeds == (0, 1)


def test_a_component_has_one_column_and_its_keys_where_the_same_option_differs():
    found = group(
        [
            run("a", model="cnn", model__filters="[8]", optimizer__learning_rate="0.1"),
            run("b", model="cnn", model__filters="[16]", optimizer__learning_rate="0.1"),
            run("c", model="mlp", model__hidden_units="[50]", optimizer__learning_rate="0.1"),
        ]
    )
    assert differing(found) == [
        "model.name",
        "model.filters",
        "model.hidden_units",
    ]
    assert shown(found) == {
        "model": ["cnn", "cnn", "mlp"],
        "model.filters": ["[8]", "[16]", ""],
    }


def test_options_of_one_component_are_told_apart_by_their_names():
    small, large = run("a", model="mlp", model__hidden_units="[8]"), run("b", model="mlp")
    small.tags["model"] = "seed_mlp"
    large.params["model.hidden_units"] = "[512]"
    assert shown(group([small, large])) == {"model": ["seed_mlp", "mlp"]}


def test_equal_configs_have_no_column():
    assert shown(group([run("a"), run("b", seed=1)])) == {}


def test_members_of_several_ensembles_are_seeds_of_one_config():
    members = [run(f"{s}", seed=s, data__split_seed=str(s // 2)) for s in range(4)]
    [found] = group(members)
    assert found.seeds == (0, 1, 2, 3)


def test_the_same_seed_with_other_images_held_out_is_another_row():
    apart = {"data__split_seed": "null"}
    found = group([run("a", **apart), run("b", data__split_seed="7"), run("c", seed=1, **apart)])
    assert [one.seeds for one in found] == [(0, 1), (0,)]
    assert shown(found) == {"data.split_seed": ["null", "7"]}
