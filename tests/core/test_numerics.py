"""What TensorFlow and Keras take from outside is chosen, recorded, and taken from a record."""

import json
import os
import signal
from pathlib import Path

import pytest
import waiting
from invoke import mnist_exp, python, start
from projects import SMOKE

from mnist_exp.core import numerics, processor
from mnist_exp.tracking.journal.state import state_of
from mnist_exp.tracking.names import RESUMED_TAG, SETTINGS_TAG

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
TRAIN = ["train", "data=digits", *SMOKE, "model=seed_mlp"]
# Of another program: none of these can be trained with.
KERAS = {"floatx": "float16", "backend": "jax", "image_data_format": "channels_first",
         "epsilon": 0.001}  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    """An environment in which nothing is set, and which forgets what is set."""
    for name in [name for name in os.environ if name.startswith(numerics.VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return os.environ


@pytest.mark.parametrize(
    ("flags", "chosen"), [({"avx2"}, "1"), ({"avx2", "avx512f"}, "1"), (set(), None)]
)
def test_the_processor_decides_and_the_user_wins(environment, monkeypatch, flags, chosen):
    monkeypatch.setattr(processor, "flags", lambda: flags)
    numerics.choose(ours=True)
    assert environment.get(ONEDNN) == chosen
    assert environment["KERAS_BACKEND"] == "tensorflow"
    environment[ONEDNN] = "0"
    numerics.choose(ours=True)
    assert environment[ONEDNN] == "0"


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("True", True), ("0", False), ("false", False), ("", True)]
)
def test_a_switch_is_read_as_tensorflow_reads_it(environment, monkeypatch, value, on):
    monkeypatch.setattr(processor, "flags", lambda: {"avx2"})
    monkeypatch.setattr(numerics, "_taken", None)
    environment[ONEDNN] = value
    numerics.choose(ours=True)
    assert numerics.onednn() == on


def test_a_record_sets_what_cannot_do_harm_and_nobody_set(environment, monkeypatch):
    monkeypatch.delitem(numerics.sys.modules, "tensorflow", raising=False)
    environment["TF_DETERMINISTIC_OPS"] = "0"
    numerics.adopt(
        {
            ONEDNN: "0",
            "TF_DETERMINISTIC_OPS": "1",
            "ONEDNN_MAX_CPU_ISA": "AVX2; rm -r /",
            "OMP_NUM_THREADS": 2,
            "XLA_FLAGS": "--xla_dump_to=/tmp/elsewhere",
            "PYTHONPATH": "/tmp/elsewhere",
        }
    )
    found = {name for name in environment if name.startswith((*numerics.VARIABLES, "PYTHONPATH"))}
    assert found - {"PYTHONPATH"} == {ONEDNN, "TF_DETERMINISTIC_OPS"}
    assert (environment[ONEDNN], environment["TF_DETERMINISTIC_OPS"]) == ("0", "0")
    assert environment.get("PYTHONPATH") != "/tmp/elsewhere"


def test_what_tensorflow_was_imported_with_counts(environment, monkeypatch):
    monkeypatch.setattr(numerics, "_taken", None)
    environment |= {ONEDNN: "0", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CLI_CONFIG_FILE": "terraform"}
    numerics.taken()
    environment[ONEDNN] = "1"
    assert numerics.settings(ours=True) == {
        ONEDNN: "0",
        "keras.backend": "tensorflow",
        "keras.epsilon": "1e-07",
        "keras.floatx": "float32",
        "keras.image_data_format": "channels_last",
    }


def test_a_run_is_resumed_and_reproduced_as_it_was_made(sealed_environment, tmp_path):
    folder = Path(os.environ["HOME"], ".keras")
    folder.mkdir()
    Path(folder, "keras.json").write_text(json.dumps(KERAS))
    plain = {**os.environ, "KERAS_BACKEND": "jax"}
    del plain[ONEDNN]  # which the tests set for themselves
    other = {**plain, ONEDNN: "0"}
    with start(sealed_environment, *TRAIN, "training.epochs=12", env=other) as process:
        job_dir = waiting.for_journal(sealed_environment, '"step": 2', process=process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    mnist_exp(sealed_environment, "resume", str(job_dir), env=plain, check=True)
    state = state_of(job_dir)
    assert RESUMED_TAG not in state.tags
    assert json.loads(state.tags[SETTINGS_TAG])[ONEDNN] == "0"

    again = mnist_exp(sealed_environment, "reproduce", "latest", env=plain)
    assert "Verdict: identical." in again.stdout
    assert "Other settings" not in again.stdout
    run = state.start.run_name
    forced = mnist_exp(
        sealed_environment, "reproduce", run, "--check-only", env={**plain, ONEDNN: "1"}
    )
    assert forced.returncode == 3
    words = " ".join(forced.stdout.split())
    assert f"settings {ONEDNN}=0 {ONEDNN}=1" in words
    assert f"Other settings: {ONEDNN} 0 then, 1 now." in words


API = """
import keras
from mnist_exp import run
keras.config.set_floatx("float16")
run("data=digits", "training=smoke", "model=tiny")
"""


def test_a_program_that_set_keras_otherwise_is_refused_before_a_folder(sealed_environment):
    done = python(API)
    assert done.returncode == 1
    assert (
        "Expected Keras with backend tensorflow, floatx float32, image_data_format" in done.stderr
    )
    assert "Received: backend tensorflow, floatx float16, " in done.stderr
    assert not Path("outputs").exists()
