"""What a job has with it on another machine of a cluster."""

import os
import pickle
from pathlib import Path

from mnist_exp.config.compose import compose
from mnist_exp.sweeps.execute.luggage import Luggage, unpacked
from mnist_exp.sweeps.task import Assignment, Task


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
        packed = pickle.dumps(Luggage.of(config))
    theirs = dict.fromkeys(ours, "1") | {"OMP_NUM_THREADS": "1", "LANG": "C"}  # Ray sets the former
    for name, text in theirs.items():
        monkeypatch.setenv(name, text)
    hydra = {"runtime": {"cwd": str(sealed_environment)}}
    task = Task(
        config=config,
        hydra=hydra,
        choices={},
        overrides=(),
        assignment=Assignment("", ()),
        parent_job_id="",
        permit="",
        process=None,
        threads=None,
    )
    with unpacked(task, pickle.loads(packed)) as here:
        assert here is task
        assert {name: os.environ.get(name) for name in ours} == ours
        assert "OMP_NUM_THREADS" not in os.environ
        assert os.environ["LANG"] == "C"
        assert Path.cwd() == sealed_environment
