"""Wrong configs: each kind of message, and everything at once."""

import shutil
from pathlib import Path

import pytest
from golden_files import ERRORS, GOLDEN, error, sweep_error

from mnist_exp.config.compose import Composer, compose
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.hydra import config_folder
from mnist_exp.config.problems import ConfigError
from mnist_exp.core.errors import RequestError
from mnist_exp.sweeps.plan import Plan


@pytest.mark.parametrize("name", ERRORS)
def test_message_is_the_golden_one(name):
    assert error(ERRORS[name]) == (GOLDEN / "errors" / f"{name}.txt").read_text()


def test_sweep_message_is_the_golden_one():
    assert sweep_error() == (GOLDEN / "errors" / "sweep.txt").read_text()


def test_no_golden_file_is_left_over():
    files = {file.stem for file in (GOLDEN / "errors").glob("*")}
    assert files == {*ERRORS, "sweep"}


def keys(overrides, **options):
    with pytest.raises(ConfigError) as caught:
        compose(overrides, **options)
    return [problem.key for problem in caught.value.problems]


def test_config_errors_are_request_errors():
    assert issubclass(ConfigError, RequestError)


def test_a_bad_override_hides_no_other():
    found = keys(["model=mlpp", "x==", "training.epoch=1", "+a.b=1", "seed=-1", "~nothing"])
    assert found == ["model", "x", "training.epoch", "nothing", "seed", "a"]


def test_a_number_without_end_is_no_override():
    number = f"seed={'9' * 5000}"
    assert keys([number, "model=mlpp"]) == ["model", "seed"]


def test_bytes_that_are_not_utf_8_are_refused():
    assert keys(["description=\udcff"]) == ["config"]


@pytest.mark.parametrize("override", ["model=[[[1]]]", "+=", "~hydra={_target_: os.system}"])
def test_what_hydra_trips_over_is_refused(override):
    with pytest.raises(ConfigError, match="nothing was run"):
        compose([override])


def test_good_overrides_are_kept_beside_bad_ones():
    with pytest.raises(ConfigError) as caught:
        compose(["model=mlp", "modle=cnn", "model.hidden_units=[0]"])
    assert [p.key for p in caught.value.problems] == ["modle", "model.hidden_units"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model@student=mlp"],
        ["+model@student=mlp"],
        ["+experiment=fast"],
        ["experiment=null"],
        ["model=[cnn,mlp]"],
        ["model=3"],
        ["hydra/launcher=nowhere"],
        ["model.dropout.deep=1"],
        ["model.filters=true"],
        ["seed=true"],
        ["seed=1.0"],
        ["seed=99999999999"],
        ["description=12"],
        ["data=digits", "data.root=/x"],
        ["model=null"],
        ["++model=null"],
        ["++training=3"],
        ["optimizer.learning_rate=inf"],
        ["tracking.experiment=''"],
        ["model=deep_cnn", "model.blocks=[[],[8]]"],
        ["model=deep_cnn", "model.padding=valid", "model.blocks=[[8,8,8],[8,8,8],[8,8,8]]"],
        ["data.validation_images=60000"],
        ["training.early_stopping_patience=2", "data.validation_images=0"],
        ["'"],
        [""],
        ["="],
        ["seed=interval(0,1)"],
        ["~description"],  # Hydra deletes no null
        ["description=${nowhere}"],
        ["description=${description}"],
    ],
)
def test_is_refused_with_expectation_and_receipt(overrides):
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    for problem in caught.value.problems:
        assert problem.key
        assert "Expected" in str(problem)
        assert "Received" in str(problem)
    assert "Traceback" not in str(caught.value)


def test_missing_folder_is_told():
    with pytest.raises(RequestError, match="--config-dir"):
        compose([], config_dir="nowhere")


def plan(overrides: list[str]) -> Plan:
    return Plan(SweepComposer(Composer(), overrides))


def test_every_job_of_a_grid_is_checked():
    assert len(plan(["model=cnn,mlp", "seed=range(0,3)"]).grid) == 6
    found = [job.choices["model"] for job in plan(["model=glob(*cnn)", "seed=1"]).grid]
    assert found == ["cnn", "deep_cnn", "fast_cnn", "wide_cnn"]
    with pytest.raises(ConfigError) as caught:
        plan(["model=cnn,mlp", "model.dropout=0,1", "training.epoch=1,2"])
    assert {p.key for p in caught.value.problems} == {"model.dropout", "training.epoch"}


def test_sweep_over_hydra_or_an_interval_is_refused():
    for override in ("optimizer.learning_rate=interval(0.1,1)", "hydra.run.dir=a,b"):
        with pytest.raises(ConfigError) as caught:
            plan([override])
        assert [problem.key for problem in caught.value.problems] == [override.partition("=")[0]]


@pytest.mark.parametrize(
    "override",
    [
        "seed=range(0,3),7",
        "seed=[range(0,3),7]",
        "seed=tag(a,range(0,3)),7",
        "optimizer.learning_rate=interval(0.1,1),3",
        "model.filters=[choice(8,16)]",
        "model=glob(*),cnn",
    ],
)
def test_a_function_among_other_values_is_refused(override):
    for refuse in (plan, compose):
        with pytest.raises(ConfigError, match="or glob\\(\\) alone"):
            refuse([override])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=rnage(0,3)", "Did you mean 'range'?"),
        ("seed=sort(range(3),revers=true)", "unexpected keyword argument 'revers'"),
        ("seed=choice()", "empty choice"),
        ("model=globb(*)", "Did you mean 'glob'?"),
    ],
)
def test_what_is_wrong_with_a_function_is_told(override, words):
    with pytest.raises(ConfigError, match="a function of Hydra's") as caught:
        plan([override])
    assert words in str(caught.value)


def test_sweep_with_a_bad_override_is_checked_beyond_it():
    with pytest.raises(ConfigError) as caught:
        plan(["modle=3", "training.epochs=0", "seed=0,-1", "x=="])
    assert {p.key for p in caught.value.problems} == {"x", "modle", "training.epochs", "seed"}


def test_rule_that_holds_for_some_jobs_only_is_found():
    with pytest.raises(ConfigError) as caught:
        plan(["data.validation_images=0,100"])
    assert [p.key for p in caught.value.problems] == ["training.best_weights"]


def test_an_option_whose_name_is_a_number_is_written_in_quotes(tmp_path):
    (tmp_path / "model").mkdir()
    shutil.copyfile(config_folder() / "model" / "mlp.yaml", tmp_path / "model" / "2.yaml")
    for name in ("1e5", "true", "null"):
        shutil.copyfile(tmp_path / "model" / "2.yaml", tmp_path / "model" / f"{name}.yaml")
    for name in ("2", "1e5", "true", "null"):
        with pytest.raises(ConfigError, match=rf"""Write 'model="{name}"'\."""):
            compose([f"model={name}"], str(tmp_path))
    assert compose(['model="2"'], str(tmp_path)).config.model.name == "mlp"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("defaults:\n  - override /model: mlp\n", "Begin a recipe with the line `# @package"),
        ("seed: 1\n", "Begin a recipe with the line `# @package"),
        ("# mine\n# @package _global_\nseed: 1\n", "Begin a recipe with the line `# @package"),
        ("# @package global\nseed: 1\n", "Begin a recipe with the line `# @package"),
        ("\ufeff# @package _global_\nseed: 1\n", "`, in UTF-8 without a BOM."),
        (
            "\ufeff# @package _global_\ndefaults:\n  - override /model: mlp\n",
            "`, in UTF-8 without a BOM.",
        ),
        ("", "experiment: Expected keys in its file. Received: an empty one. Begin a recipe"),
        ("# @package _global_\ntraining:\nepochs: 1\n", "indent the keys below `training:`"),
        ("- seed: 1\n", "Received: a list. Write KEY: VALUE, without a dash."),
        ("# @package _global_\n- seed: 1\n", "That file is a list. Write KEY: VALUE in it"),
        ("# @package _global_\nmodel: mlp\n", "by `- override /model: mlp` under `defaults`"),
        ("# @package _global_\nmodel:\n", "by `- override /model: OPTION` under `defaults`"),
        ("# @package _global_\ntraining:\n  epochs:3\n", "a space stands behind the colon"),
        ("# @package _global_\ndescription: 2026\n", "it becomes text in quotes: '2026'"),
        ("# @package _global_\ntraining.epochs: 3\n", "write `training:`, and below it"),
        ("# @package _global_\nmetric: [macro_f1]\n", "Did you mean 'metrics'?"),
        ("# @package _global_\ndefault: [x]\n", "Did you mean 'defaults'?"),
        ("# @package _global_\nexperiment: fast\n", "`defaults:`, and below it, indented, `- fa"),
        *(
            (f"# @package _global_\ndefaults:\n  - {line}\n", "write `- override /GROUP: OPTION`")
            for line in ("model: mlp", "/model: mlp", "override model: mlp", "override /modle: mlp")
        ),
        ("# @package _global_\ndefaults:\n  - override /modle: mlp\n", "Did you mean 'model'?"),
        (
            "# @package _global_\ndefaults:\n  - override /model: cnnn\n",
            "model has cnn, deep_cnn, fast_cnn, mlp, seed_mlp, tiny, wide_cnn. Did you mean 'cnn'?",
        ),
    ],
)
def test_a_recipe_that_hydra_misreads_is_told_how_it_is_written(text, remedy, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        compose(["experiment=mine"], str(tmp_path))
    assert remedy in str(refused.value)


def test_a_key_of_a_section_that_is_null_is_told_once(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ntraining:\n")
    with pytest.raises(ConfigError, match="has 1 problem"):
        compose(["experiment=mine", "training.batch_size=64"], str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "meant"),
    [
        ("training:\n\tepochs: 2\n", "3, 'epochs: 2'", "indent with spaces"),
        ("training:\n  epochs: 2\n batch_size: 3\n", "4, 'batch_size: 3'", "in the same column"),
        ("training\n  epochs: 2\n", "3, 'epochs: 2'", "a key above it a colon"),
        ("model:\n  dropout:0.1\n  name: mlp\n", "3, 'dropout:0.1'", "a space stands behind"),
        ("model:\n  name: a\n  dropout:0.1\n\nseed: 1\n", "4, 'dropout:0.1'", "a space stands"),
        ("description: a: b\n", "2, 'description: a: b'", "needs quotes"),
        ("description: @a\n", "2, 'description: @a'", "needs quotes"),
        ("description: *a\n", "2, 'description: *a'", "needs quotes"),
        ("description: 'a\nseed: 1\n", '2, "description: \'a"', "is not closed"),
        ("model:\n  hidden_units: [1, 2\nseed: 1\n", "3, 'hidden_units: [1, 2'", "is not closed"),
        ("seed: 1\nseed: 2\n", "3, 'seed: 2'", "found duplicate key seed"),
    ],
)
def test_a_recipe_that_is_no_yaml_is_told_in_which_line(text, line, meant, tmp_path):
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "mine.yaml"
    file.write_text(f"# @package _global_\n{text}")
    with pytest.raises(ConfigError) as refused:
        compose(["experiment=mine"], str(tmp_path))
    told = str(refused.value)
    assert f"{file} is no YAML in line {line}: " in told
    assert meant in told.partition(line)[2]


def test_a_recipe_in_another_encoding_is_named(tmp_path):
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\ndescription: Größe\n", encoding="latin-1")
    with pytest.raises(ConfigError) as refused:
        compose(["experiment=mine"], str(tmp_path))
    assert f"{file} is not in UTF-8: save it as UTF-8." in str(refused.value)


def test_an_option_in_a_folder_that_is_not_read_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own/model").mkdir(parents=True)
    shutil.copyfile(config_folder() / "model" / "mlp.yaml", "own/model/mine.yaml")
    for option, folder in (
        ("mine", None),
        ("mine", "own/model"),
        ("mine", "."),
        ("own/model/mine.yaml", None),
    ):
        with pytest.raises(ConfigError, match=r"write --config-dir=\S*own model=mine\."):
            compose([f"model={option}"], folder)
    Path("own/model/mine.yaml").rename("own/model/mine.yml")
    with pytest.raises(ConfigError, match=r"Rename .*mine\.yml"):
        compose(["model=mine"], "own")


def test_a_file_that_an_option_of_ours_hides_is_told_of(sealed_environment):
    file = Path("options", "model", "mlp.yaml")
    file.parent.mkdir(parents=True)
    same = (config_folder() / "model" / "mlp.yaml").read_text()
    file.write_text(same)
    composer = Composer(config_dir="options")
    assert composer.compose(["model=mlp"]).config.model.name == "mlp"
    file.write_text(same.replace("512, 256", "7"))
    for choice in ("model=mlp", "experiment=[seed_baseline]", "model=cnn"):
        with pytest.raises(ConfigError) as refused:
            composer.compose([choice])
        assert f"{file.absolute()}, which a file of mnist-exp hides" in str(refused.value)


@pytest.mark.parametrize("files", [{"round": "round"}, {"round": "other", "other": "round"}])
def test_defaults_that_lead_back_are_told(files):
    Path("own/model").mkdir(parents=True)
    for name, first in files.items():
        Path(f"own/model/{name}.yaml").write_text(f"defaults:\n  - {first}\n")
    with pytest.raises(ConfigError, match="its defaults lead back to itself"):
        compose(["model=round"], config_dir="own")


@pytest.mark.parametrize("folder", [3, b"x", ["own"], Path("nowhere"), ""])
def test_what_is_no_folder_of_configs_is_refused(folder):
    with pytest.raises(RequestError, match="Expected --config-dir to be a folder of configs"):
        compose([], config_dir=folder)


def test_a_folder_of_configs_may_be_a_path():
    Path("own/model").mkdir(parents=True)
    Path("own/model/mine.yaml").write_text("defaults:\n  - mlp\n")
    assert compose(["model=mine"], config_dir=Path("own")).config.model.name == "mlp"
