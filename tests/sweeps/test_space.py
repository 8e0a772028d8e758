import json
import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from invoke import python
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnist_exp.config.hydra import config_loader
from mnist_exp.config.problems import ConfigError
from mnist_exp.sweeps.search.space import Space, check_grid, difference, search_space

RATE = "optimizer.learning_rate"


def parse(*texts):
    return OverridesParser.create(config_loader=config_loader()).parse_overrides(list(texts))


def space(*texts) -> Space:
    return search_space(parse(*texts))


def problems(check, *texts) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(parse(*texts))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("values", "distribution"),
    [
        ("interval(0,1)", FloatDistribution(0, 1)),
        ("tag(log,interval(1e-4,1e-1))", FloatDistribution(1e-4, 1e-1, log=True)),
        ("int(interval(1,5))", IntDistribution(1, 5)),
        ("int(tag(log,interval(1,100)))", IntDistribution(1, 100, log=True)),
        ("tag(log,int(interval(1,100)))", IntDistribution(1, 100, log=True)),
        ("range(5)", IntDistribution(0, 4)),
        ("range(16,64,16)", IntDistribution(16, 48, step=16)),
        ("range(5,1,-2)", IntDistribution(3, 5, step=2)),
        ("shuffle(range(1,5))", IntDistribution(1, 4)),
        ("tag(log,range(1,10))", IntDistribution(1, 9, log=True)),
        ("range(0,1,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("float(range(1,5))", FloatDistribution(1, 4, step=1)),
        ("0.1,0.01,1e-1", CategoricalDistribution(["0.01", "0.1"])),
        ("choice(b,a)", CategoricalDistribution(["a", "b"])),
        ("shuffle(a,b)", CategoricalDistribution(["a", "b"])),
        ("[32,64],null", CategoricalDistribution(["[32,64]", "null"])),
    ],
)
def test_values_become_the_distribution_they_mean(values, distribution):
    assert space(f"a.b={values}").dimensions == {"a.b": distribution}


def test_options_of_a_group_are_found_by_glob():
    assert space("model=glob(*cnn,fast*)").dimensions == {
        "model": CategoricalDistribution(["cnn", "deep_cnn", "wide_cnn"])
    }


def test_seeds_repeat_trials_and_the_rest_stays_as_typed():
    found = space("seed=range(0,3)", "data=digits", f"{RATE}=interval(0,1)", "+note='a b'", "~x")
    assert found.seeds == ("0", "1", "2")
    assert found.fixed == ("data=digits", "+note='a b'", "~x")
    assert list(found.dimensions) == [RATE]


@pytest.mark.parametrize("value", ["1e-07", "null", "true", "[32,64]", "{a:1}", "'a, b'", "' a'"])
def test_choices_come_back_as_the_values_that_were_typed(value):
    typed = parse(f"a.b={value}")[0].value()
    found = space(f"a.b={value},other").dimensions["a.b"].choices
    back = [parse(*Space({"a.b": None}, (), ()).texts({"a.b": text}))[0] for text in found]
    assert typed in [override.value() for override in back]


def test_numbers_come_back_exactly():
    found = space("a=interval(0,1)", "+b=int(interval(1,5))", "model=mlp,cnn")
    params = {"a": 0.1 + 0.2, "+b": 3, "model": "cnn"}
    back = parse(*found.texts(params))
    assert [override.value() for override in back] == [0.1 + 0.2, 3, "cnn"]
    assert [override.get_key_element() for override in back] == list(params)


def test_probes_have_every_choice_and_both_ends():
    probes = space("model=mlp,cnn,deep_cnn", "a=interval(0,1)", "b=range(1,4)").probes()
    assert [probe["model"] for probe in probes] == ["cnn", "deep_cnn", "mlp"]
    assert {probe["a"] for probe in probes} == {0.0, math.nextafter(1, 0)}
    assert {probe["b"] for probe in probes} == {1, 3}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("range(5,1)", "one value or more"),
        ("range(1,5,0)", "one value or more"),
        ("range(0,inf)", "finite"),
        ("interval(1,0)", "Write interval(0,1)"),
        ("interval(1,1)", "below its second"),
        ("int(interval(0.2,0.8))", "below its second"),
        ("interval(nan,1)", "finite ends"),
        ("interval(0,inf)", "finite ends"),
        ("1,nan", "finite numbers"),
        ("1,[2,-inf]", "finite numbers"),
        ("tag(log,interval(0,1))", "above 0"),
        ("tag(log,interval(-1,1))", "above 0"),
        ("tag(log,range(0,5))", "whole numbers above 0"),
        ("tag(log,range(1,9,2))", "in steps of 1"),
        ("tag(log,range(0.1,0.5,0.1))", "tag(log,interval(a,b))"),
        ("tag(lgo,interval(1,2))", "Did you mean 'log'?"),
    ],
)
def test_values_that_cannot_be_explored(values, expected):
    (problem,) = problems(search_space, f"{RATE}={values}", "model=mlp,cnn")
    assert problem.startswith(f"{RATE}: Expected ")
    assert values in problem
    assert expected in problem


@pytest.mark.parametrize(
    "text",
    [
        "hydra/launcher=a,b",
        "hydra.job.name=a,b",
        "sweep.name=a,b",
        "search=tpe,random",
        "search.trials=1,2",
        "tracking=local,server",
        "tracking.uri=a,b",
        "~model=mlp,cnn",
    ],
)
@pytest.mark.parametrize("check", [search_space, check_grid])
def test_keys_that_cannot_have_several_values(text, check):
    (problem,) = problems(check, text, "seed=1,2", "a=1,2")
    assert text.partition("=")[2] in problem


@pytest.mark.parametrize("texts", [[], ["model=cnn"], ["seed=1,2,3"]])
def test_an_empty_space(texts):
    (problem,) = problems(search_space, *texts)
    assert "an empty space" in problem


def test_all_problems_at_once():
    found = problems(
        search_space,
        "model=mlp,cmn",
        "optimizer=glob(x*)",
        "schedule=interval(0,1)",
        "seed=interval(0,5)",
        "training.epochs=1,2",
        "training.epochs=3",
        "data.name=interval(2,1)",
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "training.epochs",
        "model",
        "optimizer",
        "schedule",
        "seed",
        "data.name",
    ]
    assert "Did you mean 'cnn'?" in found[1]
    assert "The options are adagrad" in found[2]
    assert "range(0,5)" in found[4]


def test_a_key_may_be_given_twice_where_neither_is_swept():
    assert space("a=1", "a=2", "b=1,2").fixed == ("a=1", "a=2")


def test_a_grid_has_values_that_can_be_counted():
    check_grid(parse("model=glob(*)", "a=1,2", "seed=range(0,5)", "b=range(0,1,0.5)", "c=1", "~d"))
    found = problems(check_grid, "a=interval(0,1)", "model=glob(z*)", "b=range(1,1)")
    assert [problem.partition(":")[0] for problem in found] == ["a", "model", "b"]
    assert "search=tpe" in found[0]


def record(*texts):
    return json.loads(json.dumps(space(*texts).record()))


def test_the_same_space_has_no_difference():
    before = record(f"{RATE}=interval(0,1)", "model=mlp,cnn", "seed=0,1", "data=digits")
    now = record("seed=1,0", "data=digits", "model=cnn,mlp", f"{RATE}=interval(0,1)")
    assert difference(before, now) == []


def test_what_changes_no_result_is_no_difference():
    fixed = ["hydra/launcher=parallel", "sweep.name=x", "search=tpe", "tracking=server"]
    fixed += ["data.root=/x", "training.threads=1", "description=x", "++search.trials=9"]
    assert difference(record("a=1,2"), record("a=1,2", *fixed)) == []


def test_every_difference_has_a_line():
    before = record(
        "a=interval(0,1)",
        "b=range(1,9,2)",
        "c=mlp,cnn",
        "d=1,2",
        "seed=0,1",
        "data=digits",
        "same=tag(log,int(interval(1,9)))",
    )
    now = record(
        "a=tag(log,interval(1e-4,1))",
        "b=int(interval(1,9))",
        "c=mlp,deep_cnn",
        "e=tag(log,int(interval(1,9)))",
        "f=range(0,0.5,0.1)",
        "training.epochs=3",
        "same=tag(log,int(interval(1,9)))",
    )
    assert difference(before, now) == [
        "changed: a=interval(0.0,1.0) is now tag(log,interval(0.0001,1.0))",
        "changed: b=range(1,9,2) is now int(interval(1,9))",
        "changed: c=cnn,mlp is now deep_cnn,mlp",
        "removed: d=1,2",
        "added: e=tag(log,int(interval(1,9)))",
        "added: f=range(0.0,0.5,0.1)",
        "changed: seed=0,1 is now one value",
        "removed: data=digits",
        "added: training.epochs=3",
    ]


def test_importing_it_needs_no_heavy_library():
    code = (
        "import sys, mnist_exp.sweeps.search.space as _; "
        "sys.exit(any(n in sys.modules for n in ('optuna', 'tensorflow', 'mlflow', 'scipy')))"
    )
    python(code, fresh=True, check=True)
