"""Records of runs: artifacts that decide something or inform, params, metrics, tags."""

import io
import json
import zipfile

import numpy as np
import rich.table  # noqa: F401 - as the next, that no case imports it
import yaml
from fuzzing import BEYOND, TEXTS, VALUES, altered, cases, mutated, watched
from hypothesis import example, given
from hypothesis import strategies as st

from mnist_exp.commands import runs
from mnist_exp.config.compose import Composer, compose
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.record import rebuilt, to_record
from mnist_exp.core.errors import RequestError
from mnist_exp.evaluation.names import (
    CHOSEN_VAL_ACCURACY,
    FIT_SECONDS,
    TEST_ACCURACY,
    TEST_ACCURACY_LOW,
    VAL_ACCURACY,
)
from mnist_exp.runs.recorded_config import choices_of, local_values
from mnist_exp.sweeps.execute.parent import difference, space_of
from mnist_exp.sweeps.results import records
from mnist_exp.sweeps.search import space  # noqa: F401
from mnist_exp.tracking.names import (
    ARTIFACTS_TAG,
    COMMANDS_TAG,
    DIGESTS,
    KEY_TAG,
    OUTCOME_TAG,
    OVERRIDES_TAG,
    SPACE_TAG,
    TRIAL_TAG,
)
from mnist_exp.tracking.read import evidence
from mnist_exp.tracking.read.evidence import Evidence, EvidenceError, parse_predictions
from mnist_exp.tracking.read.experiment import best_of
from mnist_exp.tracking.read.readable import trouble
from mnist_exp.tracking.records import RunRecord

RECORD = to_record(compose([]).config)
_, LOCAL, _ = Composer().unchecked([])
CONFIG = yaml.safe_dump(RECORD).encode()
CONFIGS = (
    st.binary(max_size=300)
    | mutated(CONFIG)
    | st.lists(TEXTS, max_size=3).map("\n".join).map(lambda text: text.encode(errors="replace"))
    | (VALUES | altered(RECORD)).map(lambda values: yaml.dump(values).encode())
)


def of(folder, path, content):
    """Returns the evidence of a run with one artifact, without digests."""
    file = folder / "mlruns" / "1" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    run = RunRecord("1", "cnn", "FINISHED", False, 0, 1, {}, {}, {}, str(folder / "mlruns" / "1"))
    return Evidence(run, f"sqlite:///{folder}/mlflow.db")


@cases(8_000)
@given(CONFIGS)
@example(CONFIG)
def test_a_config(sealed_environment, content):
    found = of(sealed_environment, evidence.CONFIG, content)
    with watched(sealed_environment, EvidenceError, ConfigError):
        rebuilt(found.config, LOCAL)


@cases(200)
@given(altered(RECORD).map(yaml.dump))
def test_where_the_data_of_a_config_are(sealed_environment, content):
    found = of(sealed_environment, evidence.CONFIG, content.encode())
    with watched(sealed_environment, RequestError):
        local_values(found, ())


def npz(**arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def npy(header: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        text = header.encode(errors="replace")[:60_000] + b"\n"
        array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(100)
        archive.writestr("labels.npy", array)
    return content.getvalue()


DIGITS = np.arange(10, dtype=np.uint8)
PREDICTIONS = npz(labels=DIGITS, predictions=DIGITS)


@cases(5_000)
@given(st.binary(max_size=200) | mutated(PREDICTIONS) | TEXTS.map(npy))
@example(PREDICTIONS)
@example(npz(labels=np.frombuffer(BEYOND, np.uint8)))
def test_predictions(sealed_environment, content):
    with watched(sealed_environment, ValueError):
        found = parse_predictions(content)
        assert len(found.labels) == len(found.digits)
        assert found.labels.max() < 10
        assert found.digits.max() < 10


INFORMING = st.sampled_from(
    [evidence.OVERRIDES, evidence.PACKAGES, evidence.SYSTEM, evidence.FILES, evidence.DIFF]
)


@cases(2_800)
@given(INFORMING, CONFIGS | TEXTS.map(lambda text: text.encode(errors="replace")))
@example(evidence.SYSTEM, b"[" * 100_000)
def test_what_only_informs_is_read_or_empty(sealed_environment, path, content):
    found = of(sealed_environment, path, content)
    with watched(sealed_environment):
        found.overrides(), found.packages(), found.system(), found.files(), found.diff()


@cases(1_000)
@given(st.binary(max_size=200), TEXTS)
def test_digests_of_artifacts(sealed_environment, content, digest):
    found = of(sealed_environment, DIGESTS, content)
    found.run.tags[ARTIFACTS_TAG] = digest
    with watched(sealed_environment, EvidenceError):
        found.config  # noqa: B018


PARAMS = {"seed": "0", "data.validation_images": "200", "training.threads": "2", "sweep.job": "1",
          "data.name": "mnist", "model.name": "cnn", "ensemble.members": "1"}  # fmt: skip
METRICS = dict.fromkeys(
    (CHOSEN_VAL_ACCURACY, FIT_SECONDS, TEST_ACCURACY, TEST_ACCURACY_LOW, VAL_ACCURACY), 0.5
)
DIMENSION = {"name": "FloatDistribution", "attributes": {"low": 0.1, "high": 1.0, "step": None,
             "log": True}}  # fmt: skip
SPACE = {"search": {"name": "tpe"}, "dimensions": {"a": DIMENSION}, "seeds": ["0"],
         "fixed": ["b=1"], "made_of": "0"}  # fmt: skip
JSON = {TRIAL_TAG: {"number": 1, "params": {"a": 1.0}}, OVERRIDES_TAG: ["seed=1"],
        SPACE_TAG: SPACE, COMMANDS_TAG: 1}  # fmt: skip
TAGS = {KEY_TAG: "key", OUTCOME_TAG: "finished", "model": "cnn"} | {
    key: json.dumps(value) for key, value in JSON.items()
}
OF_JSON = altered(JSON).map(lambda tags: {key: json.dumps(tags[key]) for key in tags})


def runs_of(params, metrics, tags):
    tags = {key: value for key, value in tags.items() if isinstance(value, str)}
    params = {key: value for key, value in params.items() if isinstance(value, str)}
    metrics = {key: value for key, value in metrics.items() if isinstance(value, float)}
    return RunRecord("1", "cnn", "FINISHED", False, 0, None, params, metrics, tags, "/")


RUNS = st.builds(
    runs_of,
    altered(PARAMS, TEXTS),
    altered(METRICS, st.floats()),
    altered(TAGS, TEXTS | VALUES.map(json.dumps)) | OF_JSON.map(lambda tags: TAGS | tags),
)


@cases(4_000)
@given(RUNS)
def test_a_record_is_read_or_told_of(sealed_environment, run):
    with watched(sealed_environment):
        json.dumps([runs._as_json(run)], allow_nan=False)
        runs.table(runs.rows([run]))
        choices_of(Evidence(run, "http://host"))
        best_of([run])
        if trouble(run):
            return
        if KEY_TAG in run.tags and OVERRIDES_TAG in run.tags:
            records.from_record(run, {})
        if SPACE_TAG in run.tags:
            difference(space_of(run), SPACE)
