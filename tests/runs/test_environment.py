"""What a run computes with is in its tags: a run that goes on with something else says so."""

from mnist_exp.config.compose import compose
from mnist_exp.core import hardware
from mnist_exp.runs import environment, source_code
from mnist_exp.tracking.names import ENVIRONMENT_TAG


def test_another_gpu_or_driver_is_another_environment(monkeypatch):
    code, system = source_code.code(), hardware.system("cpu")
    config = environment.settled(compose([]).config)
    versions = dict.fromkeys(hardware.GPU_VERSIONS, "1")
    found = []
    for other in (
        {},
        {"device": "GPU 1", **versions},
        {"device": "GPU 2", **versions},
        {"device": "GPU 2", **versions, "driver": "2"},
    ):
        monkeypatch.setattr(hardware, "system", lambda _, other=other: system | other)
        found.append(environment.tags(code, config)[ENVIRONMENT_TAG])
    assert len(set(found)) == 4
