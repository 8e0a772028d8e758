"""Configs that compose, what they turn into, and where Hydra's state stays as it was."""

import hashlib
import json
import pickle

import pydantic
import pytest
import yaml
from golden_files import GOLDEN, default_config
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from invoke import python

from mnist_exp.config import components, registry, schema
from mnist_exp.config.compose import Composer, compose
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.hydra import config_folder, config_loader
from mnist_exp.config.keys import schema_keys
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.record import digest, flatten, from_record, to_record

CONF = config_folder()
OPTIONS = {
    folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
    for folder in CONF.iterdir()
    if folder.is_dir() and folder.name != "hydra"
}
EXPERIMENTS = OPTIONS["experiment"]
PARTS = {
    group: [option for option in options if option != "idx"]  # which needs a folder
    for group, options in OPTIONS.items()
    if group not in ("experiment", "search")
}


@pytest.fixture(scope="module")
def composer():
    return Composer()


def test_folder_holds_the_promised_options():
    promised = {
        "data": {"mnist", "digits", "idx"},
        "augmentation": {"none", "shift", "affine", "strong_affine", "elastic", "struck"},
        "model": {"mlp", "seed_mlp", "cnn", "fast_cnn", "deep_cnn", "tiny"},
        "optimizer": {"sgd", "adam", "adam_fast", "adamw", "muon"},
        "schedule": {"constant", "cosine", "one_cycle"},
        "training": {"default", "smoke"},
        "tracking": {"local", "server"},
        "experiment": {"seed_baseline", "fast", "accurate", "best", "tiny", "drawings"},
    }
    for group, options in promised.items():
        assert options <= set(OPTIONS[group])


@pytest.mark.parametrize(("group", "option"), [(g, o) for g in PARTS for o in PARTS[g]])
def test_every_option_composes(composer, group, option):
    composed = composer.compose([f"{group}={option}"])
    assert composed.choices[group] == option
    assert composed.overrides == (f"{group}={option}",)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_recipe_composes_with_every_part(composer, experiment):
    for row in range(max(map(len, PARTS.values()))):
        # One of each group at a time, so that few configs hold every part.
        parts = {group: options[row % len(options)] for group, options in PARTS.items()}
        chosen = {"experiment": experiment, **parts}
        composed = composer.compose([f"{group}={option}" for group, option in chosen.items()])
        assert chosen.items() <= composed.choices.items()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_recipe_opens_as_a_lab_note_and_sets_shared_keys_only(experiment):
    file = CONF / "experiment" / f"{experiment}.yaml"
    comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    for fact in ("result", "seeds", "time", "machine", "command"):
        assert any(line.startswith(f"# {fact}") for line in comments), fact
    owners = schema_keys()
    for section, keys in yaml.safe_load(file.read_text()).items():
        if not isinstance(keys, dict):
            continue
        components = {
            name for key, names in owners.items() if key.startswith(f"{section}.") for name in names
        }
        for key in keys:
            assert set(owners[f"{section}.{key}"]) in (set(), components), key


def test_every_file_says_what_it_is():
    files = [file for file in CONF.rglob("*.yaml") if file.parent.name != "experiment"]
    assert len(files) > 20
    for file in files:
        assert file.read_text().startswith("# "), file


def test_default_config_is_the_golden_one(monkeypatch):
    monkeypatch.delenv("MNIST_EXP_DATA")
    assert (GOLDEN / "config.yaml").read_text() == default_config()


def test_schema_holds_no_default():
    models = [
        model
        for model in vars(schema).values()
        if isinstance(model, type) and issubclass(model, pydantic.BaseModel)
    ]
    models += [c.section for group in registry.GROUPS for c in components.named(group).values()]
    assert len(models) > 30
    for model in models:
        for name, field in model.model_fields.items():
            assert field.is_required(), f"{model.__name__}.{name}"


def test_config_is_frozen_and_hands_on_plain_values(composer):
    checked = composer.compose(["model=deep_cnn"]).config
    options = checked.model.options()
    assert "name" not in options
    assert isinstance(options["blocks"], tuple)
    assert isinstance(options["blocks"][0], tuple)
    with pytest.raises(pydantic.ValidationError):
        checked.seed = 1


def test_record_gives_the_config_back(composer):
    checked = composer.compose(["experiment=accurate", "description='two: words'"]).config
    record = to_record(checked)
    assert from_record(record) == checked
    assert from_record(yaml.safe_load(yaml.safe_dump(record))) == checked
    del record["tracking"]["plots"]  # as runs were recorded before there was this key
    assert from_record(record) == checked


def test_altered_record_is_refused(composer):
    record = to_record(composer.compose([]).config)
    record["model"]["_target_"] = "os.system"
    with pytest.raises(ConfigError, match=r"model\._target_"):
        from_record(record)


def test_flat_config_is_text(composer):
    flat = flatten(composer.compose(["model=mlp", "model.hidden_units=[3,4]"]).config)
    assert flat["model.name"] == "mlp"
    assert flat["model.hidden_units"] == "[3, 4]"
    assert flat["training.best_weights"] == "true"
    assert flat["description"] == "null"
    assert all(isinstance(value, str) for value in flat.values())


def test_flat_config_gives_the_config_back(composer):
    flat = flatten(composer.compose([]).config)
    overrides = [f"{key}={value}" for key, value in flat.items() if not key.endswith("name")]
    overrides = [text for text in overrides if "/" not in text and text != "search=null"]
    assert flatten(composer.compose(overrides).config) == flat


@pytest.mark.parametrize(
    "override",
    [
        "data.root=/elsewhere",
        "data.mirrors=[]",
        "data.attempts=9",
        "data.timeout_seconds=1",
        "description=other",
        "tracking=server",
        "training.threads=1",
        "training.keep_checkpoints=true",
    ],
)
def test_digest_leaves_out_what_does_not_matter(composer, override):
    plain = digest(composer.compose([]).config)
    assert len(plain) == 64
    assert digest(composer.compose([override]).config) == plain


@pytest.mark.parametrize("override", ["seed=1", "model=mlp", "training.epochs=1", "data=digits"])
def test_digest_tells_experiments_apart(composer, override):
    changed = digest(composer.compose([override]).config)
    assert changed != digest(composer.compose([]).config)


def test_digest_is_that_of_what_determines_the_result(composer):
    checked = composer.compose(["data=digits"]).config
    record = to_record(checked)
    for key in ("description", "tracking", "sweep", "search"):
        del record[key]
    for key in ("device", "threads", "keep_checkpoints"):
        del record["training"][key]
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    assert digest(checked) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "override", ["ensemble.members=2", "data.split_seed=0", "training.plain_fraction=0.2"]
)
def test_later_keys_make_another_experiment_where_they_are_set(composer, override):
    changed = digest(composer.compose([override]).config)
    assert changed != digest(composer.compose([]).config)


def test_the_members_of_an_ensemble_have_seeds(composer):
    last = 2**31 // 5 - 1
    assert composer.compose(["ensemble.members=5", f"seed={last}"]).config.seed == last
    for seed in (last + 1, 2**31 - 1):
        with pytest.raises(ConfigError, match=f"seed: Expected at most {last:,} where ens"):
            composer.compose(["ensemble.members=5", f"seed={seed}"])


def test_whole_number_and_its_float_are_one_experiment(composer):
    one = composer.compose(["model.dropout=0"]).config
    other = composer.compose(["model.dropout=0.0"]).config
    assert digest(one) == digest(other)


def test_a_folder_of_the_user_adds_options(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "small.yaml").write_text(
        "name: mlp\nhidden_units: [4]\nactivation: relu\ndropout: 0\n"
    )
    composed = compose(["model=small"], config_dir=str(tmp_path))
    assert composed.config.model.options()["hidden_units"] == (4,)
    assert composed.choices["model"] == "small"


def test_broken_file_of_the_user_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "odd.yaml").write_text("name: [mlp\n")
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        compose(["model=odd"], config_dir=str(tmp_path))


def test_environment_reaches_the_config(composer, monkeypatch):
    monkeypatch.setenv("MNIST_EXP_DATA", "/somewhere")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.invalid")
    checked = composer.compose(["tracking=server"]).config
    assert checked.data.options()["root"] == "/somewhere"
    assert checked.tracking.experiment == "mine"
    assert checked.tracking.uri == "http://example.invalid"


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["~experiment"], "seed", "0"),
        (["~seed", "+seed=3"], "seed", "3"),
        (["++seed=3"], "seed", "3"),
        (["hydra.run.dir=here", "hydra/launcher=basic"], "seed", "0"),
        (["model={dropout: 0.1}"], "model.dropout", "0.1"),
        (["description=${hydra:runtime.choices.model}"], "description", "cnn"),
        (["hydra.run.dir=here", "description=${hydra:run.dir}"], "description", "here"),
        (["description=${hydra:runtime.output_dir}"], "seed", "0"),
        (["description='a: b, c=d'"], "description", "a: b, c=d"),
    ],
)
def test_hydra_grammar_is_understood(composer, overrides, key, value):
    assert flatten(composer.compose(overrides).config)[key] == value


def test_job_folder_is_new_each_time(composer):
    names = {composer.checked([])[0].hydra.run.dir for _ in range(4)}
    assert len(names) == 4
    cfg, _ = composer.checked([])
    assert cfg.hydra.run.dir == cfg.hydra.run.dir


def test_hydra_state_is_left_alone(composer):
    before = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    composer.compose([])
    with pytest.raises(ConfigError):
        composer.compose(["modle=cnn"])
    assert (GlobalHydra.instance().hydra, HydraConfig.instance().cfg) == before


def test_error_survives_a_process_border(composer):
    with pytest.raises(ConfigError) as caught:
        composer.compose(["modle=cnn"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_no_option_is_named_like_a_key():
    # `model=cnn` and `model.filters` must never be confused in an error message.
    assert set(config_loader().list_groups("")) - {"hydra"} == set(OPTIONS)


def test_neither_tensorflow_nor_mlflow_is_imported():
    code = (
        "import sys\n"
        "from mnist_exp.config.compose import compose\n"
        "from mnist_exp.config.problems import ConfigError\n"
        "compose(['experiment=fast'])\n"
        "try: compose(['modle=3'])\n"
        "except ConfigError: pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'numpy', 'matplotlib', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    python(code, fresh=True, check=True)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=mlp", "model.hidden_units=64"],
        ["model=mlp", "model.hidden_units=[]", "optimizer.learning_rate=1e-4"],
        ["data=idx", "data.root=/x"],
        ["data=idx"],
        ["data.root=''", "data.mirrors=[a,'b c']"],
        ["data.train_images=5000", "seed=1", "seed=2"],
        ["description='a: b'", "description=${seed}"],
        ["description=12"],
        ["description=null", "++seed=3", "hydra.run.dir=/tmp/${seed}"],
        ["+seed=3"],
        ["seed=007"],
        ["seed=1_000"],
        ["seed=-1", "training.epochs=1.0", "model.activation=tanhh"],
        ["training={epochs:3}", "model.filters.0=3"],
        ["training.batch_size=${training.epochs}"],
        ["experiment=fast", "training.epochs=3"],
        ["model=cnn", "model.hidden_units=[3]"],
        ["model=mlpp", "modle=cnn"],
        ["~schedule"],
        ["~training.threads"],
    ],
)
def test_a_job_of_a_sweep_is_composed_and_refused_as_a_run_is(composer, overrides):
    def outcome(compose):
        try:
            return compose(overrides)
        except ConfigError as error:
            return str(error)

    sweep = SweepComposer(composer, [])
    alone = outcome(lambda texts: composer.checked(texts)[1])
    for _ in range(2):
        assert repr(outcome(lambda texts: sweep.job(texts).config)) == repr(alone)


def test_keys_that_read_other_keys_are_composed_for_each_job(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "own.yaml").write_text("defaults: [default]\nepochs: ${seed}\n")
    sweep = SweepComposer(Composer(str(tmp_path)), ["training=own", "seed=2,3"])
    assert [sweep.job(job).config.training.epochs for job in sweep.grid()] == [2, 3]
