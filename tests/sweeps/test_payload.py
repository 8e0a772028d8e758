"""What a job has with it on another machine of a cluster."""

import os
import pickle
import tempfile
from pathlib import Path

import pytest

from mnist_exp.config.compose import compose
from mnist_exp.config.schema import Config
from mnist_exp.sweeps.execute.payload import Payload, unpacked
from mnist_exp.sweeps.task import Assignment, Task


def task_in(folder: Path, config: Config) -> Task:
    """A job of a sweep that was started in a folder."""
    return Task(
        config=config,
        hydra={"runtime": {"cwd": str(folder)}, "sweep": {}},
        choices={},
        overrides=(),
        assignment=Assignment("", ()),
        parent_job_id="",
        permit="",
        process=None,
        threads=None,
    )


def test_settings_of_the_command_take_the_place_of_the_machines_own(
    sealed_environment, monkeypatch
):
    ours = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    }
    config = compose(["data=digits"]).config
    with monkeypatch.context() as patch:
        for name, text in ours.items():
            patch.setenv(name, text)
        packed = pickle.dumps(Payload.of(config))
    theirs = dict.fromkeys(ours, "1") | {"OMP_NUM_THREADS": "1", "LANG": "C"}  # Ray sets the former
    for name, text in theirs.items():
        monkeypatch.setenv(name, text)
    task = task_in(sealed_environment, config)
    with unpacked(task, pickle.loads(packed)) as here:
        assert here is task
        assert {name: os.environ.get(name) for name in ours} == ours
        assert "OMP_NUM_THREADS" not in os.environ
        assert os.environ["LANG"] == "C"
        assert Path.cwd() == sealed_environment


def test_a_machine_without_the_folder_keeps_nothing_of_a_job_that_was_stopped(
    sealed_environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    config = compose(["data=digits", "tracking.uri=http://127.0.0.1:1"]).config
    task = task_in(tmp_path / "elsewhere", config)

    def stopped() -> None:
        with unpacked(task, Payload.of(config)) as here:
            assert Path.cwd().parent == tmp_path
            assert here.hydra["runtime"]["cwd"] == str(Path.cwd())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert Path.cwd() == sealed_environment
    assert not list(tmp_path.glob("mnist-exp-*"))
