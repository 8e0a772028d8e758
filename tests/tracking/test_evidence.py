"""A run's record is untrusted: whatever it holds, it is refused or read as plain data."""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from mnist_exp.config.compose import compose
from mnist_exp.config.problems import ConfigError
from mnist_exp.config.record import from_record, rebuilt, to_record
from mnist_exp.runs import recorded_config
from mnist_exp.tracking.names import ARTIFACTS_TAG, DIGESTS
from mnist_exp.tracking.read.evidence import CONFIG, PACKAGES, PREDICTIONS, Evidence, EvidenceError
from mnist_exp.tracking.records import RunRecord


@pytest.fixture
def record_of(sealed_environment):
    """Makes the evidence of a run with these artifacts."""

    def make(*, digests: bool = True, **artifacts: bytes | str) -> Evidence:
        folder = sealed_environment / "mlruns" / "1" / "run" / "artifacts"
        known = {}
        paths = {"config": CONFIG, "predictions": PREDICTIONS, "packages": PACKAGES}
        for name, content in artifacts.items():
            file = folder / paths[name]
            file.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            file.write_bytes(data)
            known[paths[name]] = hashlib.sha256(data).hexdigest()
        lines = "".join(f"{sha256}  {path}\n" for path, sha256 in known.items())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DIGESTS).write_text(lines)
        tags = {ARTIFACTS_TAG: hashlib.sha256(lines.encode()).hexdigest()} if digests else {}
        return Evidence(
            RunRecord("1", "cnn-a", "FINISHED", False, 0, 1, {}, {}, tags, str(folder)),
            f"sqlite:///{sealed_environment}/mlflow.db",
        )

    return make


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=True, **arrays)
    return content.getvalue()


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return content.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b" " * (118 - len(header) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


DIGITS = np.array([3, 1, 4], np.uint8)


@pytest.mark.parametrize("digests", [True, False])
def test_a_record_is_read(record_of, digests):
    config = to_record(compose([]).config)
    evidence = record_of(
        config=yaml.safe_dump(config),
        predictions=npz(labels=DIGITS, predictions=DIGITS[::-1].copy()),
        packages="numpy==2.1.0\nkeras==3.15.0\n",
        digests=digests,
    )
    assert evidence.config == config
    assert evidence.predictions.labels.tolist() == [3, 1, 4]
    assert evidence.predictions.correct.tolist() == [False, True, False]
    assert evidence.packages() == {"numpy": "2.1.0", "keras": "3.15.0"}
    assert evidence.altered == []
    assert evidence.diff() == ""
    assert evidence.files() == {}


def test_an_altered_artifact_is_refused_and_one_that_only_informs_is_named(record_of):
    evidence = record_of(config="seed: 0\n", packages="numpy==2.1.0\n")
    root = Path(evidence.run.artifact_uri)
    (root / CONFIG).write_text("seed: 1\n")
    (root / PACKAGES).write_text("numpy==1.0.0\n")
    with pytest.raises(EvidenceError, match=r"config/resolved.yaml of run cnn-a to be the file"):
        _ = evidence.config
    assert evidence.packages() == {"numpy": "1.0.0"}
    assert evidence.altered == [PACKAGES]


def test_a_recorded_artifact_that_is_gone_is_named(record_of):
    evidence = record_of(config="seed: 0\n", packages="numpy==2.1.0\n")
    (Path(evidence.run.artifact_uri) / PACKAGES).unlink()
    assert evidence.packages() == {}
    assert evidence.diff() == ""  # which it never had
    assert evidence.altered == [PACKAGES]


def test_a_missing_artifact_says_what_to_do(record_of):
    with pytest.raises(EvidenceError, match=r"Received: no such file\. Restore that folder, or"):
        _ = record_of().predictions


def test_a_place_that_cannot_be_asked_is_named_without_its_password(record_of, monkeypatch):
    evidence = record_of()
    place = "ftp://anna:secret@127.0.0.1/artifacts"
    evidence.run = replace(evidence.run, artifact_uri=place)

    def fail(*_: object, **__: object) -> bytes:
        raise ConnectionError(f"{place} does not answer")

    monkeypatch.setattr("mnist_exp.tracking.read.evidence.read", fail)
    with pytest.raises(EvidenceError, match="from ftp://anna:") as refused:
        _ = evidence.predictions
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("!!python/object/apply:os.system ['touch pwned']", "python/object"),
        ("a: !!python/name:os.system", "python/name"),
        ("a: !!binary aGVsbG8=", "binary"),
        ("a: !own 1", "!own"),
        ("a: ${oc.env:HOME}", r"the interpolation \$\{oc.env:HOME\}"),
        ("a: {b: [1, '${oc.env:HOME}']}", "interpolation"),
        ("${a}: 1", "interpolation"),
        ("a: &x [1]\nb: *x", "an alias"),
        ("- 1", "list"),
        ("", "NoneType"),
        ("{", "expected the node content"),
        ("[" * 60_000, "recursion|expected"),
        (f"a: {'9' * 5000}", "integer string"),
        ("a: \x00", "special characters"),
        ("a: !!bool maybe", "KeyError"),
        ('a: !!int ""', "IndexError|ValueError"),
        ("x" * 300_000, "300,000 bytes, more than 262,144"),
    ],
)
def test_a_config_that_is_not_plain_is_refused(record_of, sealed_environment, text, received):
    with pytest.raises(EvidenceError, match=received):
        _ = record_of(config=text).config
    assert not (sealed_environment / "pwned").exists()


def test_a_date_stays_text(record_of):
    assert record_of(config="a: 2026-11-22\n").config == {"a": "2026-11-22"}


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("pwned"),)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "not a zip file"),
        (b"PK\x03\x04 and nothing", "not a zip file"),
        (npz(labels=DIGITS), "no item named 'predictions.npy'"),
        (npz(labels=DIGITS, predictions=DIGITS[:2]), "3 labels and 2 predictions"),
        (npz(labels=DIGITS, predictions=DIGITS + 9), "not 3 digits"),
        (npz(labels=DIGITS, predictions=DIGITS.astype(np.int64)), "type int64"),
        (npz(labels=DIGITS, predictions=DIGITS[None]), r"shape \(1, 3\)"),
        (npz(labels=np.array([Bomb()], object), predictions=DIGITS), "Object arrays"),
        (npz(labels=DIGITS[:0], predictions=DIGITS[:0]), r"shape \(0,\)"),
        (
            zipped(
                labels=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10**12,)}"),
                predictions=npy(""),
            ),
            "Cannot parse header|malformed",
        ),
        (
            zipped(
                labels=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,)}"),
                predictions=npy(""),
            ),
            r"shape \(1000000000000,\)",
        ),
        (
            zipped(
                labels=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", bytes(10**8)),
                predictions=npy(""),
            ),
            r"labels with more than its shape \(3,\) demands",
        ),
    ],
)
def test_predictions_that_are_not_plain_are_refused(
    record_of, sealed_environment, content, received
):
    with pytest.raises(EvidenceError, match=received):
        _ = record_of(predictions=content).predictions
    assert not (sealed_environment / "pwned").exists()


def test_a_pipe_in_place_of_an_artifact_does_not_hang(record_of):
    evidence = record_of(config="seed: 0\n")
    file = Path(evidence.run.artifact_uri, CONFIG)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(EvidenceError, match="no such file"):
        _ = evidence.config


@pytest.mark.parametrize("tag", ["", "../..", "0" * 64])
def test_digests_that_are_not_those_recorded_are_refused(record_of, tag):
    evidence = record_of(config="seed: 0\n")
    evidence.run.tags[ARTIFACTS_TAG] = tag
    with pytest.raises(EvidenceError, match=r"sha256sums.txt of run cnn-a to be the file with"):
        _ = evidence.config


@pytest.mark.parametrize(
    ("section", "values", "problem"),
    [
        ("model", {"_target_": "os.system", "name": "cnn"}, "model._target_"),
        ("training", {"epochs": 10**9}, "training.epochs: Expected a whole number"),
        ("training", {"epochs": 10**30}, "training.epochs: Expected a whole number"),
        ("model", {"filters": [8, 10**6]}, "model: Expected at most 100,000,000 parameters"),
        ("model", {"filters": [8] * 1000}, "model.filters: Expected"),
        ("optimizer", {"learning_rate": float("inf")}, "optimizer.learning_rate: Expected"),
        ("seed", "0", "seed: Expected a whole number"),
        ("surprise", {"a": 1}, "surprise: Expected a key of the config"),
    ],
)
def test_a_recorded_config_that_does_not_fit_is_refused(section, values, problem):
    local = to_record(compose([]).config)
    changed = values if not isinstance(values, dict) else local.get(section, {}) | values
    with pytest.raises(ConfigError, match=problem):
        rebuilt(local | {section: changed}, local)


def test_what_is_a_matter_of_the_machine_is_never_the_records():
    local = to_record(compose([]).config)
    foreign = json.loads(json.dumps(local))
    foreign["tracking"] = {"uri": "http://elsewhere", "experiment": "theirs"}
    foreign["data"] |= {"root": "/theirs", "mirrors": ["http://elsewhere"]}
    foreign["training"] |= {"threads": 64, "epochs": 3}
    del foreign["sweep"], foreign["search"]
    config = rebuilt(foreign, local)
    assert config.training.epochs == 3
    assert to_record(config) == local | {"training": local["training"] | {"epochs": 3}}


def test_where_data_come_from_is_never_the_records():
    local = to_record(compose(["data.validation_images=7"]).config)
    foreign = local | {"data": local["data"] | {"mirrors": ["http://elsewhere"], "attempts": 9}}
    evidence = SimpleNamespace(config=foreign, run=SimpleNamespace(name="theirs", tags={}))
    config = recorded_config.placed(evidence, from_record(foreign))
    assert to_record(config) == local


def test_the_members_of_a_record_count_for_the_size_of_its_model():
    local = to_record(compose([]).config)
    wide = local["model"] | {"dense_units": [1000]}
    assert rebuilt(local | {"model": wide}, local).ensemble.members == 1
    with pytest.raises(ConfigError, match="at most 100,000,000 parameters in a model of a record"):
        rebuilt(local | {"model": wide, "ensemble": {"members": 100}}, local)


def test_the_size_of_a_recorded_model_counts_the_pixels_that_its_pools_leave():
    local = to_record(compose([]).config)
    changes = {"filters": [400], "kernel_sizes": [1], "pool_sizes": [1], "dense_units": [1200]}
    with pytest.raises(ConfigError, match=r"up to 376,\d{3},\d{3}"):
        rebuilt(local | {"model": local["model"] | changes}, local)
