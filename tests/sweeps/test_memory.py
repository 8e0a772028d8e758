"""A worker that does many jobs needs no more memory than after the first few."""

import re
from pathlib import Path

import pytest
from projects import SMOKE

SETTLED, JOBS = 4, 16
_MAY_GROW = 1.03  # a traced training that is kept takes half a percent of the worker


@pytest.mark.long("sixteen jobs of one worker in the memory of five")
def test_memory_is_flat(folder):
    small = ["data=digits", *SMOKE, "model=mlp", "model.hidden_units=[8]"]
    process = folder.start("train", "-m", *small, f"seed=range(0,{JOBS})")
    worker = folder.worker_of(folder.wait_for('"step": 1', process=process))
    resident = {}
    for line in process.stderr:
        ended = re.match(r"job (\d+) ", line)
        if ended and int(ended[1]) < JOBS - 1:  # after the last one the worker ends too
            status = Path(f"/proc/{worker}/status").read_text()
            resident[int(ended[1])] = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
    folder.end(process, 0)
    assert list(folder.finished()) == list(range(JOBS))
    assert resident[JOBS - 2] < resident[SETTLED] * _MAY_GROW
