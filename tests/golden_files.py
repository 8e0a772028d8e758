"""What the golden files hold. `python tests/regenerate_golden.py` writes them; tests compare."""

import io
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console
from sweep_results import markdown, over_seeds, shown

from mnist_exp.commands import runs
from mnist_exp.config.compose import Composer, compose
from mnist_exp.config.grid import SweepComposer
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.record import to_record
from mnist_exp.sweeps.plan import Plan
from mnist_exp.tracking.names import OUTCOME_TAG
from mnist_exp.tracking.records import RunRecord

GOLDEN = Path(__file__).resolve().parent / "golden"

# One of each kind of config error: file name -> overrides.
ERRORS = {
    "unknown_group": ["modle=cnn"],
    "unknown_option": ["model=mlpp"],
    "unknown_key": ["training.epoch=3", "learning_rate=0.1"],
    "key_of_another_option": ["model=mlp", "model.filters=[8]"],
    "component_without_its_keys": ["model.name=mlp"],
    "wrong_type": ["training.epochs=2.5", "training.best_weights=1", "model.filters=[a,2]"],
    "out_of_range": ["optimizer.learning_rate=-1", "model.dropout=1", "seed=-1"],
    "ensemble": ["ensemble.members=0", "data.split_seed=-1"],
    "seeds_of_members": ["ensemble.members=5", "seed=2147483647"],
    "not_a_number": ["optimizer.learning_rate=nan", "model.dropout=-inf"],
    "text_for_a_number": ['seed="3"'],
    "lists_of_one": ["seed=[1]", "loss.class_weights=[1]", "metrics=[top_2,top_2]"],
    "no_database": ["sweep.study=foo"],
    "unknown_name": ["training.precision=float23", "model.activation=rellu"],
    "rule_between_keys": ["data.validation_images=0"],
    "rule_in_a_component": ["model.filters=[8,8,8]"],
    "too_deep": ["model.filters=[8,8,8,8]", "model.kernel_sizes=[5,5,5,5]"],
    "missing_value": ["data=idx"],
    "deleted_key": ["~seed"],
    "unresolved": ["tracking.uri=${oc.env:NOWHERE}"],
    "syntax": ["seed==", "epochs", "model=mlp;", "model.filters=(8,16)", "optimizer:=adam"],
    "spaces": ["seed=0,", "1", "model", "=", "mlp", "training.epochs", "3"],
    "spaces_in_lists": ["model.filters=[8", ",16]", "model.kernel_sizes=[3", "3]"],
    "spaces_in_text": ["description=hello", "world"],
    "words": ["mlp", "config.yaml", "model:mlp", ",", "optimiser"],
    "options_apart": ["model=mlp", "cnn", "optimizer", "sgd"],
    "other_marks": ["training/epochs=3", "training->epochs=3", "training[epochs]=3"],
    "lists_for_one": ["model=[cnn,mlp]", "optimizer.learning_rate=[0.1,0.2]"],
    "several_in_one": ["model=mlp optimizer=sgd", "seed=1,data=digits"],
    "special_characters": ["description=Größe", "tracking.experiment=it's", "hydra.job.name=(a)"],
    "numbers_for_text": ["sweep.name=20261128", "description=1e5", "tracking.experiment=true"],
    "commas_in_text": ["description=a, b"],
    "one_value_for_a_list": ["model.filters=8", "metrics=top_2", "model.kernel_sizes=3;3"],
    "none_for_null": ["training.threads=None"],
    "home_in_a_word": ["hydra.run.dir=~/runs", "data.root=~/pics", "tracking.uri=~/mlflow.db"],
    "null_for_an_option": ["model=null", "search=null"],
    "too_many_values": ["model.dense_units=[" + ",".join(["1"] * 33) + "]"],
    "folder_of_hydra": ["hydra.run.dir=", "hydra.sweep.subdir="],
    "abbreviation": ["optimizer.lr=0.1", "lr=0.1", "epoch=3", "model.hidden=[8]"],
    "upper_case": ["model=MLP", "model.activation=ReLU"],
    "nothing_near": ["~nosuch", "epos=1", "optimizer.nosuch=1"],
    "deleted_null": ["~description", "~seed=3"],
    "images": ["data.train_images=70000", "data.validation_images=60000"],
    "key_of_a_launcher": ["hydra.launcher.n_jobs=2"],
    "key_before_its_launcher": ["hydra.launcher.n_jobs=2", "hydra/launcher=parallel", "seed=-1"],
    "sections_of_hydra": ["hydra.job.env_set={FOO:bar}", "~hydra.job.chdir", "hydra.callbacks={}"],
    "sweep_without_m": ["seed=1,2"],
    "existing_key_added": ["+seed=1"],
    "target": ["++model._target_=os.system"],
    "hydra_key": ["hydra.foo=1", "hydra.run.dri=x", "hydra.sweeper.params.seed=1"],
    "hydra_group": ["hydra.launcher=parallel"],
    "several_options": ["model=mlp,cnn", "model.filters=8,16"],
    "search_keys": ["search=tpe", "search.pruner=medan", "search.trials=0"],
    "search_unmeasured": ["search=tpe", "metrics=[top_2]", "search.objective=macro_f1"],
    "search_objective": ["search=tpe", "metrics=[macro_f1]", "search.objective=val/macro_f1"],
    "search_not_chosen": ["search.trials=3"],
    "many_at_once": [
        "model=mlpp",
        "training.epoch=3",
        "optimizer.learning_rate=0",
        "seed=one",
        "+colour=red",
        "data.validation_images=0",
    ],
}
SWEEP = ["model=cnn,mlpp", "seed=0,-1", "training.epochs=2"]


def contents() -> dict[Path, str]:
    """Returns every golden file -> its text."""
    files = {
        GOLDEN / "config.yaml": default_config(),
        GOLDEN / "errors" / "sweep.txt": sweep_error(),
        GOLDEN / "runs.txt": runs_table(),
        GOLDEN / "sweep.md": markdown(),
        GOLDEN / "sweep.txt": shown(over_seeds()),
    }
    for name, overrides in ERRORS.items():
        files[GOLDEN / "errors" / f"{name}.txt"] = error(overrides)
    return files


def default_config() -> str:
    """Returns what the config is without overrides, as YAML."""
    return yaml.safe_dump(to_record(compose([]).config), sort_keys=False)


def runs_table() -> str:
    """Returns the table of four runs, as a terminal of 80 columns shows it."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    measured = {
        "val/accuracy": 0.9912,
        "test/accuracy": 0.9927,
        "test/accuracy_low": 0.9908,
        "test/accuracy_high": 0.9942,
        "time/fit_seconds": 10.52,
    }
    states = (
        ("fast_cnn-k2v7xq", "fast_cnn", "FINISHED", "finished", measured, 42),
        ("seed_mlp-a4m3zd", "seed_mlp", "RUNNING", None, {"val/accuracy": 0.95}, 400),
        ("deep_cnn-q7r2ub", "deep_cnn", "FAILED", "failed", {}, 9000),
        ("cnn-3fd6ya", "cnn", "KILLED", "killed", {"val/accuracy": 1.0}, 200_000),
    )
    records = [
        RunRecord(
            run_id=name,
            name=name,
            status=status,
            deleted=False,
            start_time=int(1000 * (now.timestamp() - age_seconds)),
            end_time=None,
            params={},
            metrics=metrics,
            tags={"model": model} | ({OUTCOME_TAG: outcome} if outcome else {}),
            artifact_uri="",
        )
        for name, model, status, outcome, metrics, age_seconds in states
    ]
    text = io.StringIO()
    Console(file=text, width=80).print(runs.table(runs.rows(records, now)))
    return text.getvalue()


def error(overrides: list[str]) -> str:
    """Returns the message that wrong overrides get."""
    try:
        compose(overrides)
    except ConfigError as message:
        return f"{' '.join(overrides)}\n\n{message}\n"
    raise AssertionError(f"{overrides} is not refused")


def sweep_error() -> str:
    """Returns the message that a wrong sweep gets."""
    try:
        Plan(SweepComposer(Composer(), SWEEP))
    except ConfigError as message:
        return f"-m {' '.join(SWEEP)}\n\n{message}\n"
    raise AssertionError(f"{SWEEP} is not refused")
