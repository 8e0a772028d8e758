"""What a run computes with is in its tags: a run that goes on with something else says so."""

from mnist_exp.core import hardware
from mnist_exp.runs import environment, source_code
from mnist_exp.tracking.names import ENVIRONMENT_TAG


def test_another_gpu_is_another_environment(monkeypatch):
    code, system = source_code.code(), hardware.system("cpu")
    found = []
    for device in (system["processor"], "GPU 1", "GPU 2"):
        monkeypatch.setattr(hardware, "system", lambda device=device: system | {"device": device})
        found.append(environment.tags(code)[ENVIRONMENT_TAG])
    assert len(set(found)) == 3
